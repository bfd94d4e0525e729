package zap

type Logger struct{ n int }

func (l *Logger) Fatal(msg string) {}
func (l *Logger) Error(msg string) {}
func (l *Logger) Sync() error      { return nil }
