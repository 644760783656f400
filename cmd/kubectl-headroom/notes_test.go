package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/ptr"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/view/table"
)

// full is a pipe that nobody reads any more, or a file on a disk that is full.
type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWhatCannotBePrintedIsAnErrorOfTheCommand(t *testing.T) {
	server, whole := served(t, twoShops(t)), served(t, fourNodes(t))
	for command, at := range map[string]string{
		"status": server, "status -o json": server, "status -o yaml": server, "status -o wide": server, "advise": server, "nodes": server,
		"ledger": server, "ledger -o csv": server, "ledger --by headroom": server, "ledger --by headroom -o csv": server, "report -o -": server,
		"explain": whole, "explain --consumer web-1": whole, "explain pod web-1": whole, "explain pod web-1 -o json": whole,
	} {
		t.Run(command, func(t *testing.T) {
			streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: full{}, ErrOut: io.Discard}
			err := runAt(t, at, command, streams)
			require.ErrorIs(t, err, errFull)
			require.Equal(t, exitFailed, exitCode(err))
		})
	}
	for _, format := range []string{formatJSON, formatYAML} {
		var out strings.Builder
		o := newOutput(genericiooptions.IOStreams{Out: &out})
		o.format = format
		require.ErrorContains(t, o.print(func() {}, nil), "printing as "+format+": ", "a function has no such form")
		require.Empty(t, out.String())
	}
}

// TestNotesGiveNoOrdersToTheTerminal: they may quote what others wrote.
func TestNotesGiveNoOrdersToTheTerminal(t *testing.T) {
	var out, errOut strings.Builder
	o := newOutput(genericiooptions.IOStreams{Out: &out, ErrOut: &errOut})
	o.notes([]string{"a \x1b[31mred\x1b]0;title\a one", "of\r\ntwo lines"})
	require.Equal(t, "note: a  [31mred ]0;title  one\nnote: of  two lines\n", errOut.String())
	require.Empty(t, out.String(), "they disturb no pipe")
	require.NoError(t, o.print(nil, func(table.Style) string { return "text" }))
	require.Equal(t, "text", out.String())
}

// TestAdviseSaysAllThatItCouldNotLookAt: of histories and of prices.
func TestAdviseSaysAllThatItCouldNotLookAt(t *testing.T) {
	for flags, want := range map[string]string{
		"":                      "",
		" --node-price 1":       "",
		" --price-label price":  "note: costs leave out 1 of 2 nodes",
		" --price-label nobody": "note: costs are not shown: no node has",
	} {
		t.Run("advise -A"+flags, func(t *testing.T) {
			answers := twoShops(t)
			accounts, _ := answers[allAccounts].(v1alpha1.HeadroomAccountList)
			accounts.Items = accounts.Items[:1]
			answers[allAccounts] = accounts
			out, notes, err := atCluster(t, answers, "advise -A"+flags)
			require.NoError(t, err)
			require.Contains(t, out, "shop/web")
			require.Contains(t, notes, "note: search/api has no account yet")
			require.Contains(t, notes, want)
			require.Equal(t, want != "", strings.Count(notes, "note: ") == 2, notes)
		})
	}
}

func TestWithoutAClusterAFileIsOfferedAndWhatIsWrongIsKept(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	from := newAccess()
	from.flags.APIServer, from.flags.CAFile = ptr.To("https://127.0.0.1:1"), ptr.To("none.crt")
	_, err := gatherObjects(t.Context(), from, nil, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "none.crt")
	require.ErrorContains(t, err, " (a file with its objects does as well)")
}

// TestWhoMaySeeHisNamespaceOnlyIsToldOfOnePodWithoutAskingForTheOthers: a namespace may have many.
func TestWhoMaySeeHisNamespaceOnlyIsToldOfOnePodWithoutAskingForTheOthers(t *testing.T) {
	answers := fourNodes(t)
	answers[podsOfShop] = answers["/api/v1/pods"]
	delete(answers, "/api/v1/pods")
	behind := proxyOf(t, served(t, answers))
	asked := make(chan url.Values, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == podsOfShop {
			asked <- r.URL.Query()
		}
		behind.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	var out strings.Builder
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: io.Discard}
	require.NoError(t, runAt(t, server.URL, "explain pod web-1", streams))
	require.Contains(t, out.String(), "shop/web-1")
	close(asked)
	for query := range asked {
		require.Equal(t, "metadata.name=web-1", query.Get("fieldSelector"))
	}
}
