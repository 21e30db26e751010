package main

import (
	"permanence/adapters/playground"
	"permanence/bot/chat"
)

type world struct {
	sink     string
	mailDoor func(string) string
	n        *playground.Network
}

func (w *world) playground(c *playgroundConfig, env chat.Env) (chat.Adapter, error) { return nil, nil }
func main()                                                                         {}
