package main

import "math"

// A Player is the person on the telephone: it goes through the steps of a script. Its only clock is the frames that
// it is asked for, so a test plays an hour in no time.
type Player struct {
	steps          []Step
	at             int // frames spent in the current step
	phase          float64
	voiced, silent int // frames in a row
	noRTP          bool
	network        *network
	keyPause       int
	frame          frame
}

// A Turn is what the person does in 20 ms.
type Turn struct {
	Frame  *frame // said; good until the next turn
	Key    byte   // pressed, 0 if none
	HangUp bool
	NoRTP  bool     // the telephone sends nothing at all
	Meets  *network // the room's network is like this from now on; nil: as it was
	Muted  bool     // the telephone sends silence, whatever else it would send
}

const (
	// Somebody is speaking after two loud frames in a row: one may be a click.
	voicedFrames = 2
	// A key takes 200 ms (100 ms of tone, 100 ms of pause); w is half a second.
	keyFrames   = 10
	pauseFrames = 25
)

// Add appends steps (copies: the player uses them up, and the script is for more than one call).
func (p *Player) Add(steps []Step) { p.steps = append(p.steps, steps...) }

// Replace forgets the steps not done yet and starts with new ones.
func (p *Player) Replace(steps []Step) {
	p.steps, p.at, p.keyPause, p.phase = append([]Step(nil), steps...), 0, 0, 0
}

// Next plays 20 ms; voice says whether the far side was loud in the frame just heard.
func (p *Player) Next(voice bool) Turn {
	if voice {
		p.voiced, p.silent = p.voiced+1, 0
	} else {
		p.voiced, p.silent = 0, p.silent+1
	}
	clear(p.frame[:])
	p.network = nil
	turn := Turn{Frame: &p.frame}
	for len(p.steps) > 0 && !turn.HangUp {
		if p.play(&p.steps[0], &turn) {
			p.at++
			break
		}
		p.steps, p.at = p.steps[1:], 0
	}
	turn.NoRTP, turn.Meets = p.noRTP, p.network
	return turn
}

// play gives this frame to the step, or returns false when the step is over and took none of it.
func (p *Player) play(step *Step, turn *Turn) bool {
	switch step.kind {
	case stepWait:
		return p.at < step.frames
	case stepMute:
		turn.Muted = p.at < step.frames
		return turn.Muted
	case stepTone:
		if p.at < step.frames {
			p.tone(step)
			return true
		}
		p.phase = 0
		return false
	case stepWAV:
		from := p.at * frameSamples
		if from >= len(step.pcm) {
			return false
		}
		copy(p.frame[:], step.pcm[from:])
		return true
	case stepWaitForVoice:
		return p.voiced < voicedFrames && p.at < step.frames
	case stepWaitForSilence:
		return p.silent < step.target && (step.AtMostMS == nil || p.at < step.frames)
	case stepDTMF:
		return p.press(step, turn)
	case stepStopSending:
		p.noRTP = *step.StopSending
	case stepLoss:
		p.network = &network{*step.Loss, step.JitterMS, step.Seed}
	case stepHangUp:
		turn.HangUp = *step.HangUp
	}
	return false
}

func (p *Player) tone(step *Step) {
	advance := 2 * math.Pi * *step.ToneHz / lineRate
	for i := range p.frame {
		p.frame[i] = int16(math.Round(step.amplitude * math.Sin(p.phase)))
		p.phase += advance
	}
	p.phase = math.Mod(p.phase, 2*math.Pi)
}

func (p *Player) press(step *Step, turn *Turn) bool {
	if p.keyPause > 0 {
		p.keyPause--
		return true
	}
	if step.keys == "" {
		return false
	}
	key := step.keys[0]
	step.keys = step.keys[1:]
	if key == 'W' {
		p.keyPause = pauseFrames - 1
	} else {
		turn.Key = key
		p.keyPause = keyFrames - 1
	}
	return true
}
