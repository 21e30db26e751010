package bot

import "context"

// FromMachine runs an incident or travaux verb for the machine and gives the
// answer; see Machine.Do.
func (b *Bot) FromMachine(ctx context.Context, line, lang string) (answer string, err error) {
	a, err := b.Machine().Do(ctx, line, lang, false)
	return a.Text, err
}
