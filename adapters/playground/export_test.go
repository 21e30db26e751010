package playground

import "context"

// Submit sends raw bytes as a mailbox would.
func Submit(b *Mailbox, ctx context.Context, from string, to []string, raw []byte) (int, string) {
	return b.submit(ctx, from, to, raw)
}
