package scenario

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTooLittleSpaceIsSaidWithWhatToDo(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	require.NoError(t, checkSpace(1))
	require.ErrorContains(t, checkSpace(1<<62), "the demo needs 4398046511104 MiB in "+dir+" and finds ")
	t.Setenv("TMPDIR", filepath.Join(dir, "absent"))
	require.ErrorContains(t, checkSpace(1), "asking for the free space in "+dir+"/absent (TMPDIR chooses another folder): ")
}

func TestAnErrorOnADiskWithSpaceStaysAsItIs(t *testing.T) {
	cause := errors.New("etcd ended")
	require.Equal(t, cause, explainSpace(t.TempDir(), cause))
}
