package chat

import (
	"errors"
	"fmt"
	"time"
)

// Kind says whether trying again can help.
type Kind int

const (
	Temporary    Kind = iota // unknown errors are temporary
	RateLimited              // after RetryAfter
	Permanent                // this operation will never work
	Gone                     // the room, message or person is not there any more
	Absent                   // the person is not there: wait until Joined
	Unauthorised             // a right or a credential is missing; an administrator must act
)

func (k Kind) String() string {
	switch k {
	case RateLimited:
		return "rate-limited"
	case Permanent:
		return "permanent"
	case Gone:
		return "gone"
	case Absent:
		return "absent"
	case Unauthorised:
		return "unauthorised"
	}
	return "temporary"
}

// Error is a failure of an operation that answers two questions: should we try
// again, and what should a person read.
type Error struct {
	Kind       Kind
	RetryAfter time.Duration
	// Reason is for the team: what happened, without internals.
	Reason Text
	// Err is for the log.
	Err error
	// Receipt holds what had already been done: parts said, recipients
	// accepted.
	Receipt Receipt
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Reason.EN)
}

func (e *Error) Unwrap() error { return e.Err }

// AsError gives err as an *Error; one that is none becomes a temporary one.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: Temporary, Err: err, Reason: Text{
		FR: "erreur passagère",
		EN: "temporary error",
	}}
}
