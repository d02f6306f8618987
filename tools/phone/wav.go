package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// readWAV loads a RIFF/WAVE file (16 bit PCM or µ-law, any rate from 8 kHz, any number of channels) as mono 8 kHz.
func readWAV(path string) ([]int16, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	samples, err := parseWAV(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return samples, nil
}

func parseWAV(data []byte) ([]int16, error) {
	if len(data) < 12 || string(data[:4]) != "RIFF" || string(data[8:12]) != "WAVE" {
		return nil, errors.New("not a WAVE file")
	}
	var format, channels, rate, width int
	for data = data[12:]; len(data) >= 8; {
		id, size := string(data[:4]), int(binary.LittleEndian.Uint32(data[4:8]))
		body := data[8:min(len(data), 8+size)]
		switch id {
		case "fmt ":
			if len(body) < 16 {
				return nil, errors.New("short fmt chunk")
			}
			format = int(binary.LittleEndian.Uint16(body))
			channels = int(binary.LittleEndian.Uint16(body[2:]))
			rate = int(binary.LittleEndian.Uint32(body[4:]))
			width = int(binary.LittleEndian.Uint16(body[14:]))
			if format == 0xfffe && len(body) >= 26 {
				format = int(binary.LittleEndian.Uint16(body[24:]))
			}
		case "data":
			mono, err := mixDown(body, format, channels, width)
			if err != nil {
				return nil, err
			}
			return resample(mono, rate)
		}
		data = data[min(len(data), 8+size+size%2):]
	}
	return nil, errors.New("no data chunk")
}

func mixDown(body []byte, format, channels, width int) ([]float64, error) {
	const pcm, ulaw = 1, 7
	if channels < 1 || !(format == pcm && width == 16 || format == ulaw && width == 8) {
		return nil, fmt.Errorf("format %d with %d bits and %d channels: want 16 bit PCM or µ-law", format, width, channels)
	}
	stride := channels * width / 8
	mono := make([]float64, len(body)/stride)
	for i := range mono {
		for c := range channels {
			if format == ulaw {
				mono[i] += float64(ulawDecode(body[i*stride+c]))
			} else {
				mono[i] += float64(int16(binary.LittleEndian.Uint16(body[i*stride+2*c:])))
			}
		}
		mono[i] /= float64(channels)
	}
	return mono, nil
}

// resample brings a recording down to the line's rate with a windowed sinc (Blackman, 16 zero crossings a side).
func resample(in []float64, rate int) ([]int16, error) {
	if rate < lineRate || rate > 192000 {
		return nil, fmt.Errorf("rate %d: want 8000 to 192000", rate)
	}
	step := float64(rate) / lineRate
	out := make([]int16, int(float64(len(in))/step))
	if rate == lineRate {
		for i := range out {
			out[i] = int16(in[i])
		}
		return out, nil
	}
	const crossings = 16
	cutoff := 0.94 / step // of the input's Nyquist frequency: leaves room for the filter's slope
	half := crossings / cutoff
	for n := range out {
		centre := float64(n) * step
		var sum float64
		for i := max(0, int(math.Ceil(centre-half))); i < len(in) && float64(i) <= centre+half; i++ {
			x := float64(i) - centre
			window := 0.42 + 0.5*math.Cos(math.Pi*x/half) + 0.08*math.Cos(2*math.Pi*x/half)
			sum += in[i] * cutoff * sinc(cutoff*x) * window
		}
		out[n] = int16(max(math.MinInt16, min(math.MaxInt16, math.Round(sum))))
	}
	return out, nil
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
