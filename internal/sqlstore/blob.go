package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"permanence/bot"
	"permanence/tickets"
)

// chunkSize is the most that one row, and one transaction, carries of a blob.
const chunkSize = 256 << 10

// PutBlob implements bot.Store. The bytes are hashed before any of them is
// stored, so that nothing wrong ever stands under a hash: a reader that can
// seek is read twice, another one through memory or a temporary file. A blob
// that a crash left half is completed.
func (s *Store) PutBlob(ctx context.Context, hash string, r io.Reader) (sum string, size int64, err error) {
	if hash != "" {
		if size, ok, err := s.blobSize(ctx, hash); err != nil || ok {
			return hash, size, err
		}
	}
	again, sum, size, done, err := spool(r)
	if err != nil {
		return "", 0, fmt.Errorf("store blob: %w", err)
	}
	defer done()
	if hash != "" && sum != hash {
		return "", 0, fmt.Errorf("store blob: the bytes have the hash %s, not %s", sum, hash)
	}
	if hash == "" {
		if size, ok, err := s.blobSize(ctx, sum); err != nil || ok {
			return sum, size, err
		}
	}
	if err := s.putChunks(ctx, sum, size, again); err != nil {
		return "", 0, fmt.Errorf("store blob %s: %w", sum, err)
	}
	return sum, size, nil
}

// blobSize tells whether a blob is complete.
func (s *Store) blobSize(ctx context.Context, hash string) (size int64, ok bool, err error) {
	err = s.view(ctx, func(tx *Tx) error {
		ok, err = tx.find(&size, "SELECT size FROM blob WHERE hash = $1 AND complete", hash)
		return err
	})
	return size, ok, err
}

// spool hashes r and gives it back to be read once more.
func spool(r io.Reader) (again io.Reader, sum string, size int64, done func(), err error) {
	h := sha256.New()
	done = func() {}
	if seeker, ok := r.(io.ReadSeeker); ok {
		start, err := seeker.Seek(0, io.SeekCurrent)
		if err == nil {
			if size, err = io.Copy(h, seeker); err != nil {
				return nil, "", 0, nil, err
			}
			if _, err := seeker.Seek(start, io.SeekStart); err != nil {
				return nil, "", 0, nil, err
			}
			return seeker, hex.EncodeToString(h.Sum(nil)), size, done, nil
		}
	}
	r = io.TeeReader(r, h)
	var small bytes.Buffer
	size, err = io.CopyN(&small, r, chunkSize)
	if errors.Is(err, io.EOF) {
		return &small, hex.EncodeToString(h.Sum(nil)), size, done, nil
	}
	if err != nil {
		return nil, "", 0, nil, err
	}
	f, err := os.CreateTemp("", "permanence-blob-")
	if err != nil {
		return nil, "", 0, nil, err
	}
	done = func() { f.Close() }
	if err := os.Remove(f.Name()); err != nil { // it ends with us
		done()
		return nil, "", 0, nil, err
	}
	n, err := io.Copy(f, io.MultiReader(&small, r))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		done()
		return nil, "", 0, nil, err
	}
	return f, hex.EncodeToString(h.Sum(nil)), n, done, nil
}

const (
	insertBlob  = "INSERT INTO blob (hash, size, complete, created_at) VALUES ($1, $2, FALSE, $3) ON CONFLICT (hash) DO NOTHING"
	insertChunk = "INSERT INTO blob_chunk (hash, seq, data) VALUES ($1, $2, $3) ON CONFLICT (hash, seq) DO NOTHING"
	finishBlob  = "UPDATE blob SET complete = TRUE WHERE hash = $1 AND NOT complete"
)

// putChunks stores the bytes. What fits one chunk takes one transaction.
// Another one that stores the same at the same time stores the same rows.
func (s *Store) putChunks(ctx context.Context, hash string, size int64, r io.Reader) error {
	buf := make([]byte, min(size, chunkSize))
	chunks := (size + chunkSize - 1) / chunkSize
	for seq := int64(0); seq == 0 || seq < chunks; seq++ {
		n, err := io.ReadFull(r, buf[:min(size-seq*chunkSize, chunkSize)])
		if err != nil {
			return err
		}
		err = s.update(ctx, func(tx *Tx) error {
			// Again in each transaction: an incomplete blob may be swept away
			// between two.
			if _, err := tx.exec(insertBlob, hash, size, tickets.At(time.Now())); err != nil {
				return err
			}
			if n > 0 {
				if _, err := tx.exec(insertChunk, hash, seq, buf[:n]); err != nil {
					return err
				}
			}
			if seq+1 < chunks {
				return nil
			}
			return tx.finishBlob(hash, chunks)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) finishBlob(hash string, chunks int64) error {
	var have int64
	if err := tx.get(&have, "SELECT count(*) FROM blob_chunk WHERE hash = $1", hash); err != nil {
		return err
	}
	if have != chunks {
		return fmt.Errorf("%d of %d chunks are there", have, chunks)
	}
	_, err := tx.exec(finishBlob, hash)
	return err
}

// OpenBlob implements bot.Store.
func (s *Store) OpenBlob(ctx context.Context, hash string) (io.ReadCloser, error) {
	size, ok, err := s.blobSize(ctx, hash)
	if err == nil && !ok {
		err = bot.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("open blob %s: %w", hash, err)
	}
	return &blobReader{ctx: ctx, store: s, hash: hash, left: size}, nil
}

// blobReader reads a chunk at a time, each in a transaction of its own: a slow
// reader holds nothing up.
type blobReader struct {
	ctx   context.Context
	store *Store
	hash  string
	seq   int64
	left  int64
	chunk []byte
}

func (b *blobReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(b.chunk) == 0 {
		if b.left <= 0 {
			return 0, io.EOF
		}
		err := b.store.view(b.ctx, func(tx *Tx) error {
			return tx.get(&b.chunk, "SELECT data FROM blob_chunk WHERE hash = $1 AND seq = $2", b.hash, b.seq)
		})
		if err != nil {
			return 0, fmt.Errorf("read blob %s: %w", b.hash, err) // erased meanwhile, or away
		}
		b.seq++
		b.left -= int64(len(b.chunk))
	}
	n := copy(p, b.chunk)
	b.chunk = b.chunk[n:]
	return n, nil
}

func (b *blobReader) Close() error {
	b.left, b.chunk = 0, nil
	return nil
}

// holdBlob makes sure that a blob is there whole until the transaction ends.
func (tx *Tx) holdBlob(hash string) error {
	query := "SELECT 1 FROM blob WHERE hash = $1 AND complete"
	if tx.store.dialect == postgres {
		query += " FOR KEY SHARE"
	}
	var one int
	return tx.get(&one, query, hash)
}

// deleteOrphan deletes a blob that nothing names.
const deleteOrphan = `DELETE FROM blob WHERE hash = $1
	AND NOT EXISTS (SELECT 1 FROM inbox WHERE raw_hash = $1 AND raw_hash <> '')
	AND NOT EXISTS (SELECT 1 FROM entry WHERE raw_hash = $1 AND raw_hash <> '')
	AND NOT EXISTS (SELECT 1 FROM file WHERE blob_hash = $1 AND blob_hash <> '')`

func (tx *Tx) dropBlobs(hashes []string) error {
	slices.Sort(hashes)
	for _, hash := range slices.Compact(hashes) {
		if hash == "" {
			continue
		}
		if tx.store.dialect == postgres {
			// Wait for whoever holds the blob (holdBlob), so that the next
			// statement sees the rows that name it.
			var one int
			if _, err := tx.find(&one, "SELECT 1 FROM blob WHERE hash = $1 FOR UPDATE", hash); err != nil {
				return err
			}
		}
		if _, err := tx.exec(deleteOrphan, hash); err != nil {
			return err
		}
	}
	return nil
}

// SweepBlobs deletes the blobs that nothing names and that are older than a
// time: what was put and then never stored with an event. It looks at every
// blob and is for once a day.
func (s *Store) SweepBlobs(ctx context.Context, before tickets.Time) (deleted int, err error) {
	var hashes []string
	err = s.view(ctx, func(tx *Tx) error {
		return tx.all(&hashes, `SELECT hash FROM blob WHERE created_at < $1
			AND NOT EXISTS (SELECT 1 FROM inbox WHERE raw_hash = blob.hash AND raw_hash <> '')
			AND NOT EXISTS (SELECT 1 FROM entry WHERE raw_hash = blob.hash AND raw_hash <> '')
			AND NOT EXISTS (SELECT 1 FROM file WHERE blob_hash = blob.hash AND blob_hash <> '')`, before)
	})
	for _, hash := range hashes {
		if err == nil {
			err = s.update(ctx, func(tx *Tx) error { return tx.dropBlobs([]string{hash}) })
			deleted++
		}
	}
	return deleted, err
}
