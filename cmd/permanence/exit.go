package main

import (
	"errors"
	"fmt"

	"permanence/bot"
)

// Exit codes. docs/operator.md lists them for people.
const (
	exitOK       = 0
	exitFailure  = 1 // something went wrong while running
	exitUsage    = 2 // the command line or the configuration
	exitRunning  = 3 // another permanence has the data
	exitDatabase = 4 // the database cannot be used
	exitFound    = 5 // check found problems

	// mail-in is called by mail servers, which know these of sysexits.h.
	exitNoUser   = 67
	exitTempFail = 75
)

// exitError gives an error its exit code.
type exitError struct {
	code int
	err  error // nil: everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exitWith(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code, err}
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	var e *exitError
	var c *configError
	var r *runningError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &e):
		return e.code
	case errors.As(err, &c):
		return exitUsage
	case errors.As(err, &r):
		return exitRunning
	case errors.Is(err, bot.ErrAway), errors.Is(err, bot.ErrFull):
		return exitDatabase
	}
	return exitFailure
}
