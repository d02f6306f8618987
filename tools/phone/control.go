package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

const bodyMax = 1 << 20

// control is the HTTP API of the tests: what the persons do, what the telephones saw and heard.
func (n *Node) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", n.health)
	mux.HandleFunc("PUT /numbers/{number}", n.putNumber)
	mux.HandleFunc("DELETE /numbers/{number}", n.deleteNumber)
	mux.HandleFunc("GET /calls", n.listCalls)
	mux.HandleFunc("GET /calls/{id}", n.getCall)
	mux.HandleFunc("GET /calls/{id}/audio.wav", n.getAudio)
	mux.HandleFunc("GET /calls/{id}/arrivals", n.getArrivals)
	mux.HandleFunc("GET /calls/{id}/packets", n.getPackets)
	mux.HandleFunc("POST /calls/{id}/hangup", n.onLeg(hangUp))
	mux.HandleFunc("POST /calls/{id}/dtmf", n.onLeg(pressKeys))
	mux.HandleFunc("POST /calls/{id}/mute", n.onLeg(mute))
	mux.HandleFunc("POST /calls/{id}/say", n.onLeg(say))
	mux.HandleFunc("POST /inbound", n.postInbound)
	return mux
}

func (n *Node) health(w http.ResponseWriter, _ *http.Request) {
	if !n.ready.Load() {
		refuse(w, http.StatusServiceUnavailable, errors.New("not registered yet"))
		return
	}
	reply(w, http.StatusOK, map[string]bool{"registered": true})
}

func (n *Node) putNumber(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	script, err := parseScript(body, ".")
	if err == nil && digits(r.PathValue("number")) == "" {
		err = errors.New("the number has no digits")
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	n.numbers.put(r.PathValue("number"), script)
	w.WriteHeader(http.StatusNoContent)
}

func (n *Node) deleteNumber(w http.ResponseWriter, r *http.Request) {
	if !n.numbers.remove(r.PathValue("number")) {
		refuse(w, http.StatusNotFound, errors.New("no script for this number"))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// listCalls: ?number= and ?room= narrow the list down.
func (n *Node) listCalls(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	list := []CallFacts{}
	for _, call := range n.calls.all() {
		facts := call.snapshot()
		number, room := digits(query.Get("number")), query.Get("room")
		if (number == "" || number == digits(facts.Number)) && (room == "" || room == facts.Room) {
			list = append(list, facts)
		}
	}
	reply(w, http.StatusOK, list)
}

func (n *Node) getCall(w http.ResponseWriter, r *http.Request) {
	if call := n.call(w, r); call != nil {
		reply(w, http.StatusOK, call.snapshot())
	}
}

func (n *Node) getAudio(w http.ResponseWriter, r *http.Request) {
	if call := n.call(w, r); call != nil {
		w.Header().Set("Content-Type", "audio/wav")
		_ = call.recording.writeWAV(w)
	}
}

func (n *Node) getArrivals(w http.ResponseWriter, r *http.Request) {
	if call := n.call(w, r); call != nil {
		reply(w, http.StatusOK, call.arrivals.all())
	}
}

func (n *Node) getPackets(w http.ResponseWriter, r *http.Request) {
	if call := n.call(w, r); call != nil {
		reply(w, http.StatusOK, call.packets.all())
	}
}

func (n *Node) postInbound(w http.ResponseWriter, r *http.Request) {
	body, ok := readBody(w, r)
	if !ok {
		return
	}
	in, err := parseInbound(body)
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	call, err := n.inbound(in)
	if err != nil {
		refuse(w, http.StatusBadGateway, err)
		return
	}
	reply(w, http.StatusCreated, call.snapshot())
}

func (n *Node) call(w http.ResponseWriter, r *http.Request) *Call {
	call := n.calls.find(r.PathValue("id"))
	if call == nil {
		refuse(w, http.StatusNotFound, errors.New("no such call"))
	}
	return call
}

// onLeg serves a request that does something to a call that goes on: 409 once it is over.
func (n *Node) onLeg(act func(*leg, []byte) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := readBody(w, r)
		if !ok || n.call(w, r) == nil {
			return
		}
		l := n.leg(r.PathValue("id"))
		if l == nil {
			refuse(w, http.StatusConflict, errors.New("the call is over"))
			return
		}
		if err := act(l, body); err != nil {
			refuse(w, http.StatusBadRequest, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// hangUp: who has not answered yet declines.
func hangUp(l *leg, _ []byte) error {
	if l.call.snapshot().AnsweredAt == 0 {
		l.end(rejectedBy(&Reject{Code: 603}))
	} else {
		l.end(hungUpByCallee)
	}
	return nil
}

func pressKeys(l *leg, body []byte) error {
	var request struct {
		Digits string `json:"digits"`
	}
	if err := decodeStrict(body, &request); err != nil {
		return err
	}
	steps := []Step{{DTMF: &request.Digits}}
	if err := steps[0].prepare("."); err != nil {
		return err
	}
	l.line.say(steps, false)
	return nil
}

func mute(l *leg, body []byte) error {
	request := struct {
		Muted bool `json:"muted"`
	}{true}
	if len(body) > 0 {
		if err := decodeStrict(body, &request); err != nil {
			return err
		}
	}
	l.line.muted.Store(request.Muted)
	return nil
}

func say(l *leg, body []byte) error {
	var request struct {
		Say     []Step `json:"say"`
		Instead bool   `json:"instead,omitempty"`
	}
	if err := decodeStrict(body, &request); err != nil {
		return err
	}
	if err := (&Script{Say: request.Say}).check("."); err != nil {
		return err
	}
	l.line.say(request.Say, request.Instead)
	return nil
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, err)
		return nil, false
	}
	return body, true
}

func refuse(w http.ResponseWriter, status int, err error) {
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
