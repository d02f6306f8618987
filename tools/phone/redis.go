package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// serveRedis is the Redis between livekit-server and the SIP node. It is a process of its own, so that a test can kill
// the node and leave livekit-server in good health.
func serveRedis(ctx context.Context, addr string, ready io.Writer) error {
	if err := checkLoopback(addr); err != nil {
		return err
	}
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(addr); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	defer server.Close()
	if err := announce(ready, map[string]string{"ready": "redis", "redis": server.Addr()}); err != nil {
		return err
	}
	// miniredis has no clock of its own: without this nothing would ever expire.
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// checkLoopback refuses every address but this machine's own: nothing here asks who is calling.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("listen address %q: must be a loopback address", addr)
	}
	return nil
}

// announce writes the one line of JSON that tells a driver that the program is ready, and where.
func announce(w io.Writer, line map[string]string) error {
	return json.NewEncoder(w).Encode(line)
}
