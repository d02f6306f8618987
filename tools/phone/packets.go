package main

import "sync"

// A Packet is one Opus packet of a call whose script has keep_packets: what sound went over the wire, and when.
type Packet struct {
	AtUS    int64  `json:"at_us"`    // Unix time in microseconds; 0 if it never left
	RTPTime uint32 `json:"rtp_time"` // 48 000 a second; of what is said, from 0
	Payload []byte `json:"payload"`  // base64
}

// packets keeps both directions, for as long as a recording lasts.
type packets struct {
	mu    sync.Mutex
	heard []Packet // in the order in which they came
	said  []Packet // in the order of the sound, lost ones too
}

// hear keeps a packet of the room's.
func (p *packets) hear(atUS int64, rtpTime uint32, payload []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.heard) < arrivalsMax {
		p.heard = append(p.heard, Packet{atUS, rtpTime, append([]byte(nil), payload...)})
	}
}

// say keeps a packet that has not left yet, and returns which one it is.
func (p *packets) say(payload []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) < arrivalsMax {
		rtpTime := uint32(len(p.said)) * frameMS * 48
		p.said = append(p.said, Packet{0, rtpTime, append([]byte(nil), payload...)})
	}
	return len(p.said) - 1
}

// left notes when a packet went.
func (p *packets) left(nth int, atUS int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said[nth].AtUS = atUS
}

// all is both directions as they are now.
func (p *packets) all() map[string][]Packet {
	p.mu.Lock()
	defer p.mu.Unlock()
	return map[string][]Packet{
		"heard": append([]Packet{}, p.heard...),
		"said":  append([]Packet{}, p.said...),
	}
}
