package email

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"permanence/bot/chat"
)

// dialTimeout is for connecting alone.
const dialTimeout = 30 * time.Second

// submission is a connection to the submission server, greeted and logged in.
type submission struct {
	*smtp.Client
	stop func() bool
}

// close says good-bye where the server still listens, for a few seconds.
func (s *submission) close() {
	defer s.stop()
	defer s.Close()
	s.CommandTimeout = 5 * time.Second
	s.Quit()
}

// smtpError is a failure before any recipient was named.
type smtpError struct {
	stage string // "config", "connect", "tls-name", "tls", "login"
	err   error
}

func (e *smtpError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *smtpError) Unwrap() error { return e.err }

// dialSMTP connects, greets, protects the connection and logs in. The
// connection ends with ctx, whatever it is doing.
func dialSMTP(ctx context.Context, cfg SMTP) (*submission, error) {
	if cfg.Server == "" {
		return nil, &smtpError{"config", errors.New("no submission server is configured")}
	}
	password, err := secret(cfg.Password, cfg.PasswordFile)
	if err != nil {
		return nil, &smtpError{"login", err}
	}
	tlsConfig, err := clientTLS(cfg.Server, cfg.CAFile)
	if err != nil {
		return nil, &smtpError{"config", err}
	}
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", cfg.Server)
	if err != nil {
		return nil, &smtpError{"connect", err}
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, err := greet(ctx, conn, cfg, tlsConfig)
	if err == nil && cfg.User != "" {
		err = login(c, cfg.User, password)
	}
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	return &submission{c, stop}, nil
}

// greet begins the conversation. go-smtp greets as "localhost" before
// STARTTLS, and under our name once the connection is protected: neither tells
// the machine's own name.
func greet(ctx context.Context, conn net.Conn, cfg SMTP, tlsConfig *tls.Config) (*smtp.Client, error) {
	var c *smtp.Client
	switch cfg.TLS {
	case ImplicitTLS:
		tlsConn := tls.Client(conn, tlsConfig)
		if err := tlsConn.HandshakeContext(ctx); err != nil {
			return nil, &smtpError{tlsStage(err), err}
		}
		c = smtp.NewClient(tlsConn)
	case StartTLS:
		var err error
		if c, err = smtp.NewClientStartTLS(conn, tlsConfig); err != nil {
			return nil, &smtpError{tlsStage(err), err}
		}
	default:
		c = smtp.NewClient(conn)
	}
	if err := c.Hello(cfg.EHLO); err != nil {
		if cfg.TLS == StartTLS { // its handshake happens with the first command
			return nil, &smtpError{tlsStage(err), err}
		}
		return nil, &smtpError{"connect", err}
	}
	return c, nil
}

// login uses what the server offers of PLAIN and LOGIN.
func login(c *smtp.Client, user, password string) error {
	var mech sasl.Client
	switch {
	case c.SupportsAuth(sasl.Plain):
		mech = sasl.NewPlainClient("", user, password)
	case c.SupportsAuth(sasl.Login):
		mech = sasl.NewLoginClient(user, password)
	default:
		return &smtpError{"login", errors.New("the server offers neither PLAIN nor LOGIN")}
	}
	if err := c.Auth(mech); err != nil {
		var answer *smtp.SMTPError
		if !errors.As(err, &answer) || answer.Temporary() {
			return &smtpError{"connect", err}
		}
		return &smtpError{"login", err}
	}
	return nil
}

// clientTLS is for connecting to server, trusting the certificates of caFile
// where it is set.
func clientTLS(server, caFile string) (*tls.Config, error) {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s holds no certificate", caFile)
		}
	}
	return cfg, nil
}

// tlsStage tells a certificate for another name, and another trouble with TLS,
// from a network that fails.
func tlsStage(err error) string {
	var (
		name    x509.HostnameError
		verify  *tls.CertificateVerificationError
		header  tls.RecordHeaderError
		alert   tls.AlertError
		network net.Error
		answer  *smtp.SMTPError
	)
	switch {
	case errors.As(err, &name):
		return "tls-name"
	case errors.As(err, &verify), errors.As(err, &header), errors.As(err, &alert):
		return "tls"
	case errors.As(err, &network), errors.As(err, &answer), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connect"
	}
	return "tls"
}

// smtpFailure is what a person reads when the submission server cannot be
// used at all.
func smtpFailure(cfg SMTP, err error) *chat.Error {
	var e *smtpError
	if !errors.As(err, &e) {
		return &chat.Error{Kind: chat.Temporary, Err: err, Reason: smtpReason(cfg, "connect")}
	}
	kind := chat.Temporary
	switch e.stage {
	case "login", "config":
		kind = chat.Unauthorised
	}
	return &chat.Error{Kind: kind, Err: err, Reason: smtpReason(cfg, e.stage)}
}

// smtpReason tells what happened at a stage and what to do.
func smtpReason(cfg SMTP, stage string) chat.Text {
	host, _, _ := net.SplitHostPort(cfg.Server)
	switch stage {
	case "config":
		return chat.Text{
			FR: "aucun serveur d’envoi utilisable n’est configuré : la réponse attend ; une personne qui administre doit compléter smtp dans la configuration",
			EN: "no usable submission server is configured: the answer waits; an administrator must complete smtp in the configuration",
		}
	case "login":
		return chat.Text{
			FR: fmt.Sprintf("le serveur d’envoi %s refuse notre mot de passe : rien ne part par courriel ; une personne qui administre doit le corriger", host),
			EN: fmt.Sprintf("the submission server %s refuses our password: nothing leaves by mail; an administrator must correct it", host),
		}
	case "tls-name":
		return chat.Text{
			FR: fmt.Sprintf("le certificat du serveur d’envoi n’est pas au nom de %s : rien n’est envoyé ; une personne qui administre doit corriger smtp.server ou le certificat", host),
			EN: fmt.Sprintf("the certificate of the submission server is not for the name %s: nothing is sent; an administrator must correct smtp.server or the certificate", host),
		}
	case "tls":
		return chat.Text{
			FR: fmt.Sprintf("la connexion au serveur d’envoi %s n’a pas pu être protégée (TLS) : rien n’est envoyé ; une personne qui administre doit vérifier smtp.tls et le certificat", host),
			EN: fmt.Sprintf("the connection to the submission server %s could not be protected (TLS): nothing is sent; an administrator must check smtp.tls and the certificate", host),
		}
	}
	return chat.Text{
		FR: fmt.Sprintf("le serveur d’envoi %s ne répond pas : le courriel attend et repartira de lui-même", host),
		EN: fmt.Sprintf("the submission server %s does not answer: the mail waits and will leave by itself", host),
	}
}

// senderFailure is an answer to MAIL: about us, not about a recipient.
func senderFailure(from string, err error) *chat.Error {
	var answer *smtp.SMTPError
	if !errors.As(err, &answer) || answer.Temporary() {
		return &chat.Error{Kind: chat.Temporary, Err: err, Reason: chat.Text{
			FR: "le serveur d’envoi demande d’attendre : le courriel repartira de lui-même",
			EN: "the submission server asks to wait: the mail will leave by itself",
		}}
	}
	if s := status(answer); s == "5.3.4" || s == "5.2.3" {
		return &chat.Error{Kind: chat.Permanent, Err: err, Reason: chat.Text{
			FR: "ce courriel est trop gros pour le serveur d’envoi ; partagez les fichiers par un lien",
			EN: "this mail is too large for the submission server; share the files by a link",
		}}
	}
	return &chat.Error{Kind: chat.Unauthorised, Err: err, Reason: chat.Text{
		FR: fmt.Sprintf("le serveur d’envoi ne nous permet pas d’écrire en tant que %s : rien ne part de cette adresse ; une personne qui administre doit vérifier smtp.user et les droits du compte", from),
		EN: fmt.Sprintf("the submission server does not let us write as %s: nothing leaves from this address; an administrator must check smtp.user and the account’s rights", from),
	}}
}
