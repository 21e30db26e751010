package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"permanence/bot/chat"
)

// bounded closes the connection unless the function it returns is called
// within d.
func bounded(c *imapclient.Client, d time.Duration) (done func()) {
	t := time.AfterFunc(d, func() { c.Close() })
	return func() { t.Stop() }
}

// imapError is a failure to reach the folder, with what it was about.
type imapError struct {
	stage string // "connect", "tls", "login", "folder"
	err   error
}

func (e *imapError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *imapError) Unwrap() error { return e.err }

// dialIMAP connects and logs in.
func dialIMAP(ctx context.Context, cfg IMAP, h *imapclient.UnilateralDataHandler) (*imapclient.Client, error) {
	password, err := secret(cfg.Password, cfg.PasswordFile)
	if err != nil {
		return nil, &imapError{"login", err}
	}
	tlsConfig, err := clientTLS(cfg.Server, cfg.CAFile)
	if err != nil {
		return nil, &imapError{"tls", err}
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", cfg.Server)
	if err != nil {
		return nil, &imapError{"connect", err}
	}
	// From here to the login the connection is bounded as a whole.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	guard := time.AfterFunc(imapTimeout, func() { conn.Close() })
	defer guard.Stop()

	opts := &imapclient.Options{UnilateralDataHandler: h, TLSConfig: tlsConfig}
	var c *imapclient.Client
	switch cfg.TLS {
	case ImplicitTLS:
		tlsConn := tls.Client(conn, tlsConfig)
		if err := tlsConn.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, &imapError{tlsStage(err), err}
		}
		c = imapclient.New(tlsConn, opts)
	case StartTLS:
		if c, err = imapclient.NewStartTLS(conn, opts); err != nil {
			conn.Close()
			return nil, &imapError{tlsStage(err), err}
		}
	default:
		c = imapclient.New(conn, opts)
	}
	if err := c.WaitGreeting(); err != nil {
		c.Close()
		return nil, &imapError{"connect", err}
	}
	if err := c.Login(cfg.User, password).Wait(); err != nil {
		c.Close()
		var imapErr *imap.Error
		if errors.As(err, &imapErr) && imapErr.Code != imap.ResponseCodeUnavailable {
			return nil, &imapError{"login", err}
		}
		return nil, &imapError{"connect", err}
	}
	return c, nil
}

// examine opens the folder for reading only.
func examine(c *imapclient.Client, cfg IMAP) (*imap.SelectData, error) {
	defer bounded(c, imapTimeout)()
	data, err := c.Select(cfg.Folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	var imapErr *imap.Error
	if errors.As(err, &imapErr) && imapErr.Type == imap.StatusResponseTypeNo {
		return nil, &imapError{"folder", err}
	}
	if err != nil {
		return nil, &imapError{"connect", err}
	}
	return data, nil
}

// imapReason says why the mailbox cannot be read.
func imapReason(cfg IMAP, err error) chat.Text {
	host, _, _ := net.SplitHostPort(cfg.Server)
	stage := "connect"
	var e *imapError
	if errors.As(err, &e) {
		stage = e.stage
	}
	switch stage {
	case "login":
		return chat.Text{
			FR: fmt.Sprintf("le serveur de courriel %s refuse notre mot de passe : aucun courriel n’est relevé ; une personne qui administre doit le corriger", host),
			EN: fmt.Sprintf("the mail server %s refuses our password: no mail is read; an administrator must correct it", host),
		}
	case "folder":
		return chat.Text{
			FR: fmt.Sprintf("le dossier « %s » n’existe pas sur %s : aucun courriel n’est relevé ; une personne qui administre doit corriger imap.folder", cfg.Folder, host),
			EN: fmt.Sprintf("the folder “%s” does not exist on %s: no mail is read; an administrator must correct imap.folder", cfg.Folder, host),
		}
	case "tls", "tls-name":
		return chat.Text{
			FR: fmt.Sprintf("la connexion au serveur de courriel %s n’a pas pu être protégée (TLS) : aucun courriel n’est relevé ; une personne qui administre doit vérifier imap.tls et le certificat", host),
			EN: fmt.Sprintf("the connection to the mail server %s could not be protected (TLS): no mail is read; an administrator must check imap.tls and the certificate", host),
		}
	}
	return chat.Text{
		FR: fmt.Sprintf("le serveur de courriel %s ne répond pas : les courriels seront relevés dès son retour", host),
		EN: fmt.Sprintf("the mail server %s does not answer: mails will be read as soon as it is back", host),
	}
}
