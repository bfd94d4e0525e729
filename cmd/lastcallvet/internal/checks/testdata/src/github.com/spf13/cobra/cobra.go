package cobra

import "context"

type Command struct {
	Use  string
	Run  func(cmd *Command, args []string)
	RunE func(cmd *Command, args []string) error
	ctx  context.Context
}

func (c *Command) Context() context.Context    { return c.ctx }
func (c *Command) Execute() error              { return nil }
func (c *Command) AddCommand(subs ...*Command) {}

func CheckErr(msg any) {}
