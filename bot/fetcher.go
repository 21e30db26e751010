package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"permanence/bot/chat"
	"permanence/internal/markup"
	"permanence/tickets"
)

// fileTries is how often a file is fetched before it is given up.
const fileTries = 12

// wakeFetcher tells the fetcher that there is a new file.
func (b *Bot) wakeFetcher() {
	select {
	case b.fetch <- struct{}{}:
	default:
	}
}

// fetcher brings inbound files in after the decision; no line waits for them.
func (b *Bot) fetcher(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.fetch:
		case <-t.C:
		}
		next := b.fetchWanted(ctx)
		t.Reset(next)
	}
}

// fetchWanted fetches what is due and tells when to look again.
func (b *Bot) fetchWanted(ctx context.Context) time.Duration {
	for {
		var files []tickets.File
		if err := b.store.View(ctx, func(tx Tx) (err error) { files, err = tx.WantedFiles(16); return err }); err != nil {
			return 5 * time.Second
		}
		worked := false
		next := time.Hour
		for _, f := range files {
			if wait := f.NextAt.Sub(b.now()); wait > 0 {
				next = min(next, wait)
				continue
			}
			if ctx.Err() != nil {
				return time.Hour
			}
			if !b.fetchOne(ctx, f) {
				return 5 * time.Second
			}
			worked = true
		}
		if !worked {
			return next
		}
	}
}

// fetchOne tries one file; false when what became of it could not be noted.
func (b *Bot) fetchOne(ctx context.Context, f tickets.File) bool {
	sum, size, err := b.readFile(ctx, f)
	if ctx.Err() != nil {
		return false
	}
	f.Attempts++
	if err == nil {
		f.State, f.Blob, f.Size, f.Reason = tickets.FileStored, sum, size, ""
	} else {
		e := chat.AsError(err)
		reason, _ := json.Marshal(e.Reason)
		f.Reason = string(reason)
		f.NextAt = b.now().Add(min(time.Second<<min(f.Attempts, 12), time.Hour))
		if f.Attempts >= fileTries || e.Kind == chat.Permanent || e.Kind == chat.Gone {
			f.State = tickets.FileLost
		}
		b.log.Warn("fetch a file", "file", f.ID, "adapter", f.Adapter, "attempt", f.Attempts, "err", err)
	}
	if err := b.Request(ctx, func(t *Turn) error {
		if err := t.Tx.UpdateFile(f); err != nil {
			return err
		}
		if f.State != tickets.FileLost {
			return nil
		}
		return t.fileLost(f)
	}); err != nil && ctx.Err() == nil {
		b.log.Error("note a file", "file", f.ID, "err", err)
		return false
	}
	return ctx.Err() == nil
}

// fileLost tells the team that a file will not come.
func (t *Turn) fileLost(f tickets.File) error {
	e, err := t.Tx.Entry(f.Entry)
	if err != nil || e.Ticket == 0 {
		return err
	}
	tk, err := t.Tx.Ticket(e.Ticket)
	if err != nil {
		return err
	}
	lang := t.b.lang(t.b.desks[tk.Desk])
	return t.teamLine(tk.ID, t.b.t(lang, "file.lost", "Name", markup.Inert(f.Name), "Reason", textOf(f.Reason).In(lang)), nil)
}

// maxFile is the largest inbound file that is kept, in bytes.
const maxFile = 100 << 20

func (b *Bot) readFile(ctx context.Context, f tickets.File) (sum string, size int64, err error) {
	a := b.opt.Adapters[f.Adapter]
	if a == nil {
		return "", 0, &chat.Error{Kind: chat.Permanent, Err: fmt.Errorf("no adapter %q", f.Adapter)}
	}
	defer func() {
		if p := recover(); p != nil {
			err = &chat.Error{Kind: chat.Permanent, Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	r, err := a.Open(ctx, chat.FileRef{Name: f.Name, Type: f.Type, Size: f.Size, Ref: f.Ref, ContentID: f.ContentID})
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	return b.store.PutBlob(ctx, "", &limited{r: r, left: maxFile})
}

// limited refuses what is larger than announced limits instead of cutting it.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, &chat.Error{Kind: chat.Permanent, Err: errors.New("file too large"), Reason: chat.Text{
			FR: "le fichier dépasse 100 Mo", EN: "the file is larger than 100 MB"}}
	}
	return n, err
}
