package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/headroom-dev/headroom/test/chaos"
)

func TestFlags(t *testing.T) {
	options, err := parse([]string{"--seed=7", "--way=c", "--seconds=30", "--idle=5s", "--must-hold=P1,P5", "--out=logs"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, uint64(7), options.Seed)
	require.Equal(t, chaos.Alone, options.Way)
	require.Equal(t, 30*time.Second, options.Length)
	require.Equal(t, 5*time.Second, options.Idle)
	require.Equal(t, []string{"P1", "P5"}, options.MustHold)
	require.False(t, options.compare)
	require.True(t, strings.HasPrefix(options.LogDir, "logs/") && strings.HasSuffix(options.LogDir, "-C-7"), options.LogDir)
}

func TestWhatMakePassesForVariablesThatNobodySet(t *testing.T) {
	first, err := parse([]string{"--seconds=120", "--seed=", "--way=B"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, chaos.Required(), first.MustHold)
	second, err := parse([]string{"--seed="}, io.Discard)
	require.NoError(t, err)
	third, err := parse([]string{"--seed="}, io.Discard)
	require.NoError(t, err)
	require.False(t, first.Seed == second.Seed && second.Seed == third.Seed, "a random seed")
}

func TestTheSameTrafficCanRunWithoutHeadroomsFirst(t *testing.T) {
	options, err := parse([]string{"--compare", "--seed=7"}, io.Discard)
	require.NoError(t, err)
	require.True(t, options.compare)
	require.False(t, options.Without, "the run that is judged has Headrooms")
}

func TestNothingHasToHoldWhereTheListIsEmpty(t *testing.T) {
	options, err := parse([]string{"--must-hold="}, io.Discard)
	require.NoError(t, err)
	require.NotNil(t, options.MustHold)
	require.Empty(t, options.MustHold)
}

func TestFlagsThatMakeNoSenseAreRefusedInOneSentence(t *testing.T) {
	for args, want := range map[string]string{
		"12":          `chaos takes flags only, not "12"`,
		"--seed=nine": `--seed must be a number from 0, not "nine"`,
		"--sed=9":     "unknown flag: --sed",
	} {
		_, err := parse([]string{args}, io.Discard)
		require.EqualError(t, err, want)
	}
	_, err := parse([]string{"--help"}, io.Discard)
	require.ErrorIs(t, err, pflag.ErrHelp)
	require.EqualError(t, run(t.Context(), []string{"--way=A", "--out=" + t.TempDir()}, io.Discard), `there is no way "A": choose B or C`)
	require.EqualError(t, run(t.Context(), []string{"--must-hold=P99", "--out=" + t.TempDir()}, io.Discard),
		`there is no property "P99": choose from P1, P5, P12, P13, P15, reserved, guard, race, kubelet, wait, size, status, idle, died, leak`)
}
