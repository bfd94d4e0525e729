package zerolog

type Event struct{ n int }

func (e *Event) Err(err error) *Event { return e }
func (e *Event) Msg(msg string)       {}
