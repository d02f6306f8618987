package main

import (
	"sync"
	"time"
)

// An Arrival is one RTP packet of the room's, when it was read: how evenly a sender sends cannot be heard behind the
// mixer's ring, which is there to hide it.
type Arrival struct {
	AtUS     int64  `json:"at_us"` // Unix time in microseconds
	RTPTime  uint32 `json:"rtp_time"`
	Sequence uint16 `json:"sequence"`
	SSRC     uint32 `json:"ssrc"`
}

// arrivals keeps them in the order in which they came, for as long as a recording lasts.
type arrivals struct {
	mu   sync.Mutex
	list []Arrival
}

const arrivalsMax = recordingMax / frameSamples

func (a *arrivals) add(arrival Arrival) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) < arrivalsMax {
		a.list = append(a.list, arrival)
	}
}

func (a *arrivals) all() []Arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Arrival{}, a.list...)
}

func nowUS() int64 { return time.Now().UnixMicro() }
