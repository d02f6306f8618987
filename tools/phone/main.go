// Phone stands where livekit-sip, the carrier and the person with the telephone stand: it registers at a real
// livekit-server as its SIP node and plays a scripted person on every call. It speaks no SIP, so it tests none.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
  phone redis --listen 127.0.0.1:PORT [--exit-with-stdin]
  phone sip   --redis ADDR --livekit ws://HOST:PORT --control 127.0.0.1:PORT [--numbers FILE] [--exit-with-stdin]
              (LIVEKIT_API_KEY and LIVEKIT_API_SECRET come from the environment)
PORT may be 0; one line of JSON on stdout says which address was taken, once the program is ready.`

func main() {
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err := run(os.Args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, "phone:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, usage)
		return flag.ErrHelp
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.Usage = func() { fmt.Fprintln(os.Stderr, usage) }
	withStdin := flags.Bool("exit-with-stdin", false, "end when stdin reaches its end")
	switch args[0] {
	case "redis":
		listen := flags.String("listen", "127.0.0.1:0", "where to listen")
		if err := flags.Parse(args[1:]); err != nil {
			return flag.ErrHelp
		}
		ctx, stop := lifetime(*withStdin)
		defer stop()
		return serveRedis(ctx, *listen, os.Stdout)
	case "sip":
		config := sipConfig{apiKey: os.Getenv("LIVEKIT_API_KEY"), apiSecret: os.Getenv("LIVEKIT_API_SECRET")}
		flags.StringVar(&config.redis, "redis", "", "Redis that livekit-server uses")
		flags.StringVar(&config.livekitURL, "livekit", "", "websocket address of livekit-server")
		flags.StringVar(&config.control, "control", "127.0.0.1:0", "where the control API listens")
		flags.StringVar(&config.numbers, "numbers", "", "JSON file: number to script")
		if err := flags.Parse(args[1:]); err != nil {
			return flag.ErrHelp
		}
		ctx, stop := lifetime(*withStdin)
		defer stop()
		return serveSIP(ctx, config, os.Stdout)
	default:
		fmt.Fprintln(os.Stderr, usage)
		return flag.ErrHelp
	}
}

// lifetime ends at SIGTERM, SIGINT and, if asked, at the end of stdin: a driver that holds the other end of that pipe
// takes this process with it, even when it is killed with no chance to clean up.
func lifetime(withStdin bool) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	if withStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	return ctx, stop
}
