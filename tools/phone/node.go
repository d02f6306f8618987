package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livekit/protocol/logger"
	"github.com/livekit/protocol/redis"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"google.golang.org/protobuf/types/known/emptypb"
)

type sipConfig struct {
	redis, livekitURL, control, numbers string
	apiKey, apiSecret                   string
}

func (c sipConfig) check() error {
	var missing []error
	for _, setting := range []struct{ name, value string }{
		{"--redis", c.redis}, {"--livekit", c.livekitURL}, {"--control", c.control},
		{"LIVEKIT_API_KEY", c.apiKey}, {"LIVEKIT_API_SECRET", c.apiSecret},
	} {
		if setting.value == "" {
			missing = append(missing, fmt.Errorf("%s is missing", setting.name))
		}
	}
	return errors.Join(missing...)
}

// A Node is the SIP node that livekit-server believes to talk to.
type Node struct {
	config  sipConfig
	numbers *directory
	calls   *callLog
	server  rpc.SIPInternalServer
	ready   atomic.Bool

	mu   sync.Mutex
	legs map[string]*leg // by call id, while they live
}

// serveSIP registers at livekit-server and serves calls until ctx ends; then every leg leaves its room.
func serveSIP(ctx context.Context, config sipConfig, ready io.Writer) error {
	if err := errors.Join(config.check(), checkLoopback(config.control)); err != nil {
		return err
	}
	lksdk.SetLogger(logger.GetDiscardLogger())
	node := &Node{config: config, numbers: newDirectory(), calls: &callLog{}, legs: map[string]*leg{}}
	if config.numbers != "" {
		if err := node.numbers.load(config.numbers); err != nil {
			return err
		}
	}
	listener, err := net.Listen("tcp", config.control)
	if err != nil {
		return err
	}
	web := &http.Server{Handler: node.control(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = web.Serve(listener) }()
	defer web.Close()
	if err := node.register(ctx); err != nil {
		return err
	}
	defer node.server.Kill()
	if err := announce(ready, map[string]string{"ready": "sip", "control": listener.Addr().String()}); err != nil {
		return err
	}
	<-ctx.Done()
	node.endAll()
	return nil
}

// register takes the topic "", the one on which an open-source server looks for SIP nodes.
func (n *Node) register(ctx context.Context) error {
	client, err := redis.GetRedisClient(&redis.RedisConfig{Address: n.config.redis})
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	bus := psrpc.NewRedisMessageBus(client)
	n.server, err = rpc.NewSIPInternalServer(n, bus)
	if err != nil {
		return err
	}
	if err := n.server.RegisterCreateSIPParticipantTopic(""); err != nil {
		return err
	}
	if err := n.reachable(ctx, bus); err != nil {
		return err
	}
	n.ready.Store(true)
	return nil
}

// reachable waits until calls to us arrive. Registering only puts the subscription into a queue; a request to a topic
// registered after it is answered only once both stand.
func (n *Node) reachable(ctx context.Context, bus psrpc.MessageBus) error {
	probe := "probe-" + randomHex(8)
	if err := n.server.RegisterTransferSIPParticipantTopic(probe); err != nil {
		return err
	}
	defer n.server.DeregisterTransferSIPParticipantTopic(probe)
	client, err := rpc.NewSIPInternalClient(bus)
	if err != nil {
		return err
	}
	defer client.Close()
	for range 50 {
		_, err := client.TransferSIPParticipant(ctx, probe, &rpc.InternalTransferSIPParticipantRequest{SipCallId: probe},
			psrpc.WithRequestTimeout(200*time.Millisecond))
		if code, _ := psrpc.GetErrorCode(err); code == errTransferGone.Code() {
			return nil // what we answer for a call that is not there
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.New("redis: our own requests do not reach us")
}

// CreateSIPParticipant is livekit-server asking for a call.
func (n *Node) CreateSIPParticipant(ctx context.Context, req *rpc.InternalCreateSIPParticipantRequest) (*rpc.InternalCreateSIPParticipantResponse, error) {
	participant, err := n.dial(ctx, req)
	if err != nil {
		return nil, err
	}
	return &rpc.InternalCreateSIPParticipantResponse{
		ParticipantId: participant, ParticipantIdentity: req.ParticipantIdentity, SipCallId: req.SipCallId}, nil
}

// TransferSIPParticipant is livekit-server asking for REFER: accepted, the far side's leg to us is over.
func (n *Node) TransferSIPParticipant(ctx context.Context, req *rpc.InternalTransferSIPParticipantRequest) (*emptypb.Empty, error) {
	l := n.leg(req.SipCallId)
	if l == nil {
		return nil, errTransferGone
	}
	l.call.update(func(f *CallFacts) {
		f.Transfers++
		f.TransferTo, f.TransferDialtone = req.TransferTo, req.PlayDialtone
		f.TransferRinging = req.RingingTimeout.AsDuration().Milliseconds()
	})
	plan := l.script.Transfer
	if plan == nil {
		plan = new(Transfer)
	}
	if plan.ByeAtMS != nil {
		bye := time.AfterFunc(time.Duration(*plan.ByeAtMS)*time.Millisecond, func() { l.end(transferred) })
		context.AfterFunc(l.life, func() { bye.Stop() })
	}
	if plan.NoReply {
		// Whoever asks has a deadline, and it is over before this returns.
		<-l.life.Done()
		return nil, errTransferGone
	}
	timer := time.NewTimer(time.Duration(plan.AfterMS) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return nil, psrpc.NewErrorf(psrpc.Canceled, "call transfer failed: %v", ctx.Err())
	case <-l.life.Done():
		// Accepted, and the trunk hung up before it told how the transfer went: to a real node that is success.
		if plan.ByeAtMS != nil && endingOf(l.life) == transferred {
			return &emptypb.Empty{}, nil
		}
		return nil, errTransferGone
	case <-timer.C:
	}
	if plan.Reject != nil {
		return nil, transferError(plan.Reject.Code, plan.Reject.Text)
	}
	l.end(transferred)
	return &emptypb.Empty{}, nil
}

func (n *Node) openTransfer(l *leg) {
	_ = n.server.RegisterTransferSIPParticipantTopic(l.call.snapshot().SIPCallID)
}

func (n *Node) remember(l *leg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.legs[l.call.snapshot().ID] = l
}

func (n *Node) forget(l *leg) {
	facts := l.call.snapshot()
	n.mu.Lock()
	delete(n.legs, facts.ID)
	n.mu.Unlock()
	n.server.DeregisterTransferSIPParticipantTopic(facts.SIPCallID)
}

// leg finds a living leg by our id or LiveKit's SIP call id.
func (n *Node) leg(id string) *leg {
	call := n.calls.find(id)
	if call == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.legs[call.snapshot().ID]
}

// endAll hangs up everywhere, and waits a moment for the farewells.
func (n *Node) endAll() {
	n.mu.Lock()
	for _, l := range n.legs {
		l.end(shutdown)
	}
	n.mu.Unlock()
	for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		n.mu.Lock()
		left := len(n.legs)
		n.mu.Unlock()
		if left == 0 {
			return
		}
	}
}
