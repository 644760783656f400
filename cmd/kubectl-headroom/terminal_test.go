package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/buildinfo"
)

// terminal is one that is so wide, and what is drawn on it so far, without colors and the like, once it is closed.
func terminal(t *testing.T, columns uint16) (tty *os.File, drawn func() string) {
	t.Helper()
	screen, tty, err := pty.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = screen.Close() })
	require.NoError(t, pty.Setsize(tty, &pty.Winsize{Cols: columns, Rows: 24}))
	all := make(chan string, 1)
	go func() {
		data, _ := io.ReadAll(screen) // ends with an error when the terminal is closed
		all <- string(data)
	}()
	return tty, func() string {
		_ = tty.Close()
		return <-all
	}
}

// widest is how many columns the longest line needs.
func widest(text string) int {
	most := 0
	for line := range strings.SplitSeq(text, "\n") {
		most = max(most, ansi.StringWidth(strings.TrimRight(line, "\r ")))
	}
	return most
}

func TestATableIsAsWideAsItsTerminalUnlessItIsToBeWide(t *testing.T) {
	for _, command := range []string{"status", "advise", "nodes", "ledger", "ledger --by headroom"} {
		for _, columns := range []uint16{50, 0} { // 0 is a terminal that does not know its size, which counts as 80
			tty, drawn := terminal(t, columns)
			streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: tty, ErrOut: io.Discard}
			require.NoError(t, runAt(t, served(t, twoShops(t)), command, streams))
			text := drawn()
			require.NotEmpty(t, text)
			if columns == 0 {
				columns = 80
			}
			require.LessOrEqual(t, widest(text), int(columns), "%s: %s", command, text)
		}
	}
	for _, command := range []string{"advise -o wide", "nodes -o wide", "ledger -o wide", "ledger --by headroom -o wide"} {
		tty, drawn := terminal(t, 50)
		streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: tty, ErrOut: io.Discard}
		require.NoError(t, runAt(t, served(t, twoShops(t)), command, streams))
		require.Greater(t, widest(drawn()), 50, command)
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	_, ok := terminalSize(file)
	require.False(t, ok, "a file is no terminal")
	require.NoError(t, file.Close())
}

func TestAWatchDrawsOnATerminalUntilAKeyIsPressed(t *testing.T) {
	for command, wants := range map[string][]string{
		"status --watch":                  {"Headrooms of namespace shop", "web", "WANTED"},
		"status --watch --namespace none": {"No Headrooms of namespace none."},
		"nodes --watch":                   {"Nodes", "zone-a", "zone-b", "q quits"},
		"status -w":                       {"note: who took what is not shown"},
		"nodes -w":                        {"note: zones, sizes and nodes without pods are not shown"},
	} {
		t.Run(command, func(t *testing.T) {
			t.Setenv("TERM", "xterm-256color")
			answers := twoShops(t)
			switch command {
			case "status -w":
				delete(answers, accountsOfShop)
			case "nodes -w":
				delete(answers, "/api/v1/nodes")
			}
			tty, drawn := terminal(t, 150)
			streams := genericiooptions.IOStreams{In: strings.NewReader("q"), Out: tty, ErrOut: io.Discard}
			require.NoError(t, runAt(t, served(t, answers), command, streams))
			text := ansi.Strip(drawn())
			for _, want := range wants {
				require.Contains(t, text, want)
			}
		})
	}
	tty, _ := terminal(t, 80)
	streams := genericiooptions.IOStreams{In: strings.NewReader("q"), Out: tty, ErrOut: io.Discard}
	require.ErrorContains(t, runAt(t, served(t, twoShops(t)), "status --watch --interval 100ms", streams), "--interval is at least 200ms")
}

func TestAWatchIntoAPipeAsksNothingOfTheCluster(t *testing.T) {
	for _, command := range []string{"status --watch", "nodes --watch"} {
		_, _, err := atCluster(t, nil, command) // which refuses everything
		require.ErrorContains(t, err, "--watch needs a terminal", command)
	}
}

func TestAWatchThatCannotBeginSaysWhy(t *testing.T) {
	for _, command := range []string{"status --watch", "nodes --watch"} {
		answers := twoShops(t, "/api/v1/pods", headroomAPI+"/namespaces/shop/headrooms")
		tty, drawn := terminal(t, 150)
		streams := genericiooptions.IOStreams{In: strings.NewReader("q"), Out: tty, ErrOut: io.Discard}
		require.Equal(t, exitForbidden, exitCode(runAt(t, served(t, answers), command, streams)), command)
		require.Empty(t, drawn())
	}
}

// TestAWatchOfAClusterThatIsNotListedInTimeIsAnErrorAndNoEmptyOne: this one answers who asks for the first pod, and is silent when all are
// asked for.
func TestAWatchOfAClusterThatIsNotListedInTimeIsAnErrorAndNoEmptyOne(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	behind := proxyOf(t, served(t, twoShops(t)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/pods" || r.URL.Query().Get("limit") == "1" {
			behind.ServeHTTP(w, r)
			return
		}
		cancel() // in place of waiting for two minutes
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	tty, drawn := terminal(t, 150)
	root := newCommand(genericiooptions.IOStreams{In: strings.NewReader("q"), Out: tty, ErrOut: io.Discard})
	root.SetArgs([]string{"nodes", "--watch", "--namespace", "shop", "--server", server.URL})
	require.ErrorContains(t, root.ExecuteContext(ctx), "the cluster did not list all ")
	require.Empty(t, drawn())
}

// TestAWatchIsOfTheHeadroomsThatAreNamed, in as wide columns as are asked for.
func TestAWatchIsOfTheHeadroomsThatAreNamed(t *testing.T) {
	for command, wants := range map[string]map[string]bool{
		"status -A --watch":             {"web": true, "api": true, "cpu=2": false},
		"status api -A --watch":         {"web": false, "api": true},
		"status api -A --watch -o wide": {"web": false, "api": true, "cpu=2": true},
	} {
		t.Run(command, func(t *testing.T) {
			t.Setenv("TERM", "xterm-256color")
			tty, drawn := terminal(t, 250)
			streams := genericiooptions.IOStreams{In: strings.NewReader("q"), Out: tty, ErrOut: io.Discard}
			require.NoError(t, runAt(t, served(t, twoShops(t)), command, streams))
			text := ansi.Strip(drawn())
			require.Contains(t, text, "q quits", "it is drawn, and not printed once")
			for want, there := range wants {
				require.Equal(t, there, strings.Contains(text, want), "%s in %s", want, text)
			}
		})
	}
}

// TestAWatchLooksAgainAtItsInterval: shop/web wants 9 units at the first look, and 4321 then. What was looked at is drawn at the latest when
// the watch ends.
func TestAWatchLooksAgainAtItsInterval(t *testing.T) {
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "")
	const headrooms, interval = headroomAPI + "/namespaces/shop/headrooms", 200 * time.Millisecond
	before, after := twoShops(t), twoShops(t)
	list, _ := after[headrooms].(v1alpha1.HeadroomList)
	list.Items[0].Status.DesiredReplicas = 4321
	first, then := proxyOf(t, served(t, before)), proxyOf(t, served(t, after))
	looks, times := make(chan time.Time, 100), []time.Time{}
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to := first
		if r.URL.Path == headrooms {
			looks <- time.Now()
			if asked.Add(1) > 1 {
				to = then
			}
		}
		to.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	in, keys := io.Pipe()
	go func() {
		enough := time.After(30 * time.Second)
		for again := true; again; { // with the third, what the second saw is known; a machine that has much to do may be late
			select {
			case at := <-looks:
				times = append(times, at)
				again = len(times) < 3 || at.Sub(times[len(times)-2]) > 5*interval
			case <-enough:
				again = false
			}
		}
		_, _ = keys.Write([]byte("q"))
	}()
	tty, drawn := terminal(t, 150)
	streams := genericiooptions.IOStreams{In: in, Out: tty, ErrOut: io.Discard}
	require.NoError(t, runAt(t, server.URL, "status --watch --interval "+interval.String(), streams))
	text := drawn()
	require.Contains(t, ansi.Strip(text), "4321")
	require.Contains(t, text, "\x1b[33m", "what is missing stands out")
	require.GreaterOrEqual(t, len(times), 3)
	last := times[len(times)-1].Sub(times[len(times)-2])
	require.GreaterOrEqual(t, last, interval)
	require.LessOrEqual(t, last, 5*interval, "nor much later, whatever the default is")
}

func proxyOf(t *testing.T, server string) http.Handler {
	t.Helper()
	address, err := url.Parse(server)
	require.NoError(t, err)
	return httputil.NewSingleHostReverseProxy(address)
}

func TestTheVersionAndCompletionsArePrinted(t *testing.T) {
	server := served(t, twoShops(t))
	for command, wants := range map[string][]string{
		"--version": {"kubectl-headroom " + buildinfo.Get().Version + "\n"},
		"__complete status --namespace shop --server " + server + " ":     {"web\n:4\n"},
		"__complete ledger -A --server " + server + " ":                   {"web\napi\n:4\n"},
		"__complete status --namespace shop --server " + server + " web ": {":4\n"},
		"__complete ledger --by ":                                         {"headroom\nnamespace\nworkload\n:4\n"},
		"__complete ledger -o ":                                           {"json\nyaml\nwide\ncsv\n:4\n"},
		"__complete nodes --resource ":                                    {"cpu\nmemory\n", ":4\n"},
	} {
		t.Run(command, func(t *testing.T) {
			var out strings.Builder
			root := newCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: io.Discard})
			args := strings.Split(command, " ")
			root.SetArgs(args)
			require.NoError(t, root.ExecuteContext(t.Context()))
			for _, want := range wants {
				require.Contains(t, out.String(), want)
			}
			require.NotContains(t, out.String(), "Completion ended", "a shell would offer it")
			if strings.Contains(command, " web ") {
				require.NotContains(t, out.String(), "web", "it is named already")
			}
		})
	}
}

// TestNoNamesAreOfferedThatCannotBeRead: the shell is told that something is wrong, and offers no files in their place.
func TestNoNamesAreOfferedThatCannotBeRead(t *testing.T) {
	for _, command := range []string{"__complete status --server " + served(t, nil) + " ", "__complete ledger --context none "} {
		t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
		var out strings.Builder
		root := newCommand(genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: io.Discard})
		root.SetArgs(strings.Split(command, " "))
		require.NoError(t, root.ExecuteContext(t.Context()))
		require.Equal(t, ":1\n", out.String(), command)
	}
}
