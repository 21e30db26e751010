package web

import (
	"context"
	"net"
)

// Gathered makes connections to which a Site writes a document in one piece,
// where the server's ConnContext is WithConn. net/http alone writes a long
// answer in two: what fits into its buffer behind the headers, then the rest.
// Each is a call of the system and wakes the reader up, and together they are
// nearly half of the processor time of an answer that was made before.
func Gathered(l net.Listener) net.Listener { return gatheredListener{l} }

type gatheredListener struct{ net.Listener }

func (l gatheredListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &gatheredConn{Conn: c}, nil
}

type connKey struct{}

// WithConn is the ConnContext of a server whose listener is Gathered.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	if g, ok := c.(*gatheredConn); ok {
		return context.WithValue(ctx, connKey{}, g)
	}
	return ctx
}

// gatheredConn keeps what is written while it holds. Only the goroutine that
// serves the connection writes to it, so nothing here is locked.
type gatheredConn struct {
	net.Conn
	holding bool
	first   []byte // the server's buffer, which it fills anew: a copy
	pieces  net.Buffers
	err     error // of letting go, for whoever writes next
}

// serverBuffer is the size of net/http's buffer: what is longer is not of it,
// and stays as it is.
const serverBuffer = 4 << 10

func (c *gatheredConn) Write(p []byte) (int, error) {
	switch {
	case c.err != nil:
		return 0, c.err
	case !c.holding:
		return c.Conn.Write(p)
	case len(p) > serverBuffer:
		c.pieces = append(c.pieces, p)
	default:
		from := len(c.first)
		c.first = append(c.first, p...)
		c.pieces = append(c.pieces, c.first[from:])
	}
	return len(p), nil
}

// together runs write, and writes in one piece what it wrote.
func (c *gatheredConn) together(write func() error) error {
	c.holding = true
	err := write()
	c.holding = false
	if len(c.pieces) > 0 && c.err == nil {
		pieces := c.pieces
		_, c.err = pieces.WriteTo(c.Conn)
	}
	clear(c.pieces[:cap(c.pieces)])
	c.pieces, c.first = c.pieces[:0], c.first[:0]
	if err == nil {
		err = c.err
	}
	return err
}
