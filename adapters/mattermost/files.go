package mattermost

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/mattermost/mattermost/server/public/model"

	"permanence/bot/chat"
)

// upload puts files on the server, through sessions, which stream them, and
// gives their IDs. Those of a post that fails afterwards belong to nothing and
// are the server's to clean up.
func (a *Adapter) upload(ctx context.Context, room, channel string, files []chat.File) ([]string, error) {
	var ids []string
	for _, f := range files {
		id, err := a.uploadOne(ctx, room, channel, f)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (a *Adapter) uploadOne(ctx context.Context, room, channel string, f chat.File) (string, error) {
	if f.Open == nil {
		return "", refuse(chat.Permanent, "le fichier "+f.Name+" n’a pas de contenu", "the file "+f.Name+" has no content")
	}
	limit := a.Caps(chat.Place{}).MaxFile
	if limit > 0 && f.Size > limit {
		return "", tooLarge(f, limit)
	}
	session, err := call(ctx, a, room, func(ctx context.Context, acc *account) (*model.UploadSession, *model.Response, error) {
		return acc.api.CreateUpload(ctx, &model.UploadSession{
			Type: model.UploadTypeAttachment, ChannelId: channel, UserId: acc.me.Id, Filename: f.Name, FileSize: f.Size,
		})
	})
	if isStatus(err, http.StatusRequestEntityTooLarge) {
		return "", tooLarge(f, limit)
	}
	if err != nil {
		return "", err
	}
	r, err := f.Open()
	if err != nil {
		return "", fmt.Errorf("open outbound file: %w", err)
	}
	defer r.Close()
	acc, err := a.login(ctx)
	if err != nil {
		return "", credentials(err)
	}
	limited, cancel := context.WithTimeout(ctx, fileTimeout)
	defer cancel()
	info, resp, err := acc.api.UploadData(limited, session.Id, io.LimitReader(r, f.Size))
	if err != nil {
		return "", a.failed(ctx, acc, resp, err, room)
	}
	if info == nil {
		return "", refuse(chat.Permanent, "le fichier "+f.Name+" est plus court que prévu", "the file "+f.Name+" is shorter than expected")
	}
	return info.Id, nil
}

func tooLarge(f chat.File, limit int64) error {
	const mega = 1 << 20
	fr, en := "", ""
	if limit > 0 {
		fr, en = fmt.Sprintf(" (limite : %d Mo)", limit/mega), fmt.Sprintf(" (limit: %d MB)", limit/mega)
	}
	return refuse(chat.Permanent, "le fichier "+f.Name+" est trop gros pour le serveur Mattermost"+fr,
		"the file "+f.Name+" is too large for the Mattermost server"+en)
}

// Open reads an inbound file as it comes.
func (a *Adapter) Open(ctx context.Context, f chat.FileRef) (io.ReadCloser, error) {
	if !model.IsValidId(f.Ref) {
		return nil, refuse(chat.Gone, "le fichier n’est plus là", "the file is not there any more")
	}
	acc, err := a.login(ctx)
	if err != nil {
		return nil, credentials(err)
	}
	resp, err := acc.api.DoAPIGet(ctx, "/files/"+f.Ref, "")
	if err != nil {
		return nil, a.failed(ctx, acc, model.BuildResponse(resp), err, "Mattermost")
	}
	return resp.Body, nil
}
