package main

import "sync"

// Hearing is the mixer of a real SIP node: every track of the room has a ring of five frames that starts to play at
// three (60 ms of delay), buffers anew after it ran dry, and loses its oldest frame when the sender is ahead of time.
const (
	ringFrames  = 5
	startFrames = 3
)

type ring struct {
	frames          [ringFrames]frame
	first, count    int
	playing         bool
	starved, overed int
}

func (r *ring) push(f *frame) {
	if r.count == ringFrames {
		r.first = (r.first + 1) % ringFrames
		r.count--
		r.overed++
	}
	r.frames[(r.first+r.count)%ringFrames] = *f
	r.count++
	if r.count >= startFrames {
		r.playing = true
	}
}

// pop returns the next frame to play, or nil while the ring buffers.
func (r *ring) pop() *frame {
	if !r.playing {
		return nil
	}
	if r.count == 0 {
		r.playing = false
		r.starved++
		return nil
	}
	f := &r.frames[r.first]
	r.first = (r.first + 1) % ringFrames
	r.count--
	return f
}

// A mixer adds up all inputs of one telephone.
type mixer struct {
	mu              sync.Mutex
	inputs          map[*ring]struct{}
	starved, overed int // of inputs that are gone
}

func newMixer() *mixer { return &mixer{inputs: map[*ring]struct{}{}} }

func (m *mixer) open() *ring {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := new(ring)
	m.inputs[r] = struct{}{}
	return r
}

func (m *mixer) close(r *ring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.inputs, r)
	m.starved += r.starved
	m.overed += r.overed
}

func (m *mixer) push(r *ring, f *frame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.push(f)
}

// mix fills dst with the next 20 ms of everything that is heard.
func (m *mixer) mix(dst *frame) {
	clear(dst[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	for r := range m.inputs {
		if f := r.pop(); f != nil {
			addSaturating(dst, f[:])
		}
	}
}

// troubles counts how often an input ran dry and how many frames were thrown away because the sender was ahead.
func (m *mixer) troubles() (starved, overed int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	starved, overed = m.starved, m.overed
	for r := range m.inputs {
		starved += r.starved
		overed += r.overed
	}
	return starved, overed
}
