package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Script is what the person at a number does with a call. README.md describes the fields.
type Script struct {
	RingMS         *int      `json:"ring_ms,omitempty"`
	AnswerAfterMS  *int      `json:"answer_after_ms,omitempty"`
	NeverAnswer    bool      `json:"never_answer,omitempty"`
	NoResponse     bool      `json:"no_response,omitempty"`
	NoResponseMS   *int      `json:"no_response_ms,omitempty"`
	Reject         *Reject   `json:"reject,omitempty"`
	AuthRequired   bool      `json:"auth_required,omitempty"`
	Say            []Step    `json:"say,omitempty"`
	Echo           bool      `json:"echo,omitempty"`
	EchoPackets    bool      `json:"echo_packets,omitempty"`
	HangUpAfterMS  *int      `json:"hang_up_after_ms,omitempty"`
	Loss           float64   `json:"loss,omitempty"`
	LineLoss       float64   `json:"line_loss,omitempty"`
	JitterMS       int       `json:"jitter_ms,omitempty"`
	Seed           uint64    `json:"seed,omitempty"`
	KeepPackets    bool      `json:"keep_packets,omitempty"`
	MediaTimeoutMS *int      `json:"media_timeout_ms,omitempty"`
	Transfer       *Transfer `json:"transfer,omitempty"`
}

// A Reject is the final SIP answer of a call that is not taken; an empty text is RFC 3261's own phrase.
type Reject struct {
	Code int    `json:"code"`
	Text string `json:"text,omitempty"`
}

// A Transfer says what the far side answers to REFER, and after how long.
type Transfer struct {
	AfterMS int     `json:"after_ms,omitempty"`
	Reject  *Reject `json:"reject,omitempty"`
	NoReply bool    `json:"no_reply,omitempty"`
	ByeAtMS *int    `json:"bye_at_ms,omitempty"`
}

// parseScript reads and checks a script; names of WAVE files are taken from dir. Unknown fields are errors: a test
// with a misspelt script must not pass for another reason.
func parseScript(data []byte, dir string) (*Script, error) {
	script := new(Script)
	if len(bytes.TrimSpace(data)) > 0 {
		if err := decodeStrict(data, script); err != nil {
			return nil, err
		}
	}
	return script, script.check(dir)
}

func decodeStrict(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

func (s *Script) check(dir string) error {
	for i := range s.Say {
		if err := s.Say[i].prepare(dir); err != nil {
			return fmt.Errorf("say[%d]: %w", i, err)
		}
	}
	for name, share := range map[string]float64{"loss": s.Loss, "line_loss": s.LineLoss} {
		if share < 0 || share > 1 {
			return fmt.Errorf("%s: want 0 to 1", name)
		}
	}
	if s.JitterMS < 0 {
		return errors.New("jitter_ms: must not be negative")
	}
	rejects := []*Reject{s.Reject}
	if s.Transfer != nil {
		rejects = append(rejects, s.Transfer.Reject)
	}
	for _, reject := range rejects {
		if reject != nil && (reject.Code < 300 || reject.Code > 699) {
			return fmt.Errorf("reject: code %d: want 300 to 699", reject.Code)
		}
	}
	return nil
}

func (s *Script) ring() time.Duration        { return msOr(s.RingMS, 20) }
func (s *Script) answerAfter() time.Duration { return msOr(s.AnswerAfterMS, 300) }

// noResponse is by default the SIP transaction's Timer B (RFC 3261, 17.1.1.2): 64 · T1.
func (s *Script) noResponse() time.Duration { return msOr(s.NoResponseMS, 32000) }

// mediaTimeout is how long a real SIP node waits for RTP before it gives a call up.
func (s *Script) mediaTimeout() time.Duration { return msOr(s.MediaTimeoutMS, 15000) }

func msOr(value *int, otherwise int) time.Duration {
	if value != nil {
		otherwise = *value
	}
	return time.Duration(otherwise) * time.Millisecond
}

// A directory holds the scripts of all numbers.
type directory struct {
	mu      sync.Mutex
	scripts map[string]*Script // by digits
}

func newDirectory() *directory { return &directory{scripts: map[string]*Script{}} }

// load reads a JSON object of number to script; WAVE files are named from the file's own directory.
func (d *directory) load(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for number, text := range raw {
		script, err := parseScript(text, filepath.Dir(path))
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, number, err)
		}
		d.put(number, script)
	}
	return nil
}

func (d *directory) put(number string, script *Script) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scripts[digits(number)] = script
}

func (d *directory) remove(number string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.scripts[digits(number)]
	delete(d.scripts, digits(number))
	return known
}

// find is the script for a call to number: its own, else for …000NNN a rejection with NNN, else a person who answers
// and listens.
func (d *directory) find(number string) *Script {
	d.mu.Lock()
	defer d.mu.Unlock()
	dialed := digits(number)
	if script, ok := d.scripts[dialed]; ok {
		return script
	}
	if len(dialed) > 6 && dialed[len(dialed)-6:len(dialed)-3] == "000" {
		if code, err := strconv.Atoi(dialed[len(dialed)-3:]); err == nil && code >= 400 && code <= 699 {
			return &Script{Reject: &Reject{Code: code}}
		}
	}
	return new(Script)
}

// digits is what two spellings of one number have in common.
func digits(number string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, number)
}
