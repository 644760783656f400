package scenario

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Space on the disk, in bytes: what a cluster needs (etcd alone allocates 128 MiB), and what is as good as none.
const (
	spaceNeeded = 400 << 20
	spaceNone   = 16 << 20
)

// checkSpace fails when the folder for temporary files has not as much room as needed.
func checkSpace(needed uint64) error {
	dir := os.TempDir()
	free, err := freeSpace(dir)
	if err != nil {
		return fmt.Errorf("asking for the free space in %s (TMPDIR chooses another folder): %w", dir, err)
	}
	if free < needed {
		return fmt.Errorf("the demo needs %d MiB in %s and finds %d MiB: free some, or choose another folder with TMPDIR",
			needed>>20, dir, free>>20)
	}
	return nil
}

// explainSpace adds to an error that the disk is full, if it is: the programs of a cluster say that in many ways.
func explainSpace(dir string, cause error) error {
	if free, err := freeSpace(dir); err != nil || free >= spaceNone {
		return cause
	}
	return fmt.Errorf("no space is left in %s (TMPDIR chooses another folder): %w", os.TempDir(), cause)
}

func freeSpace(dir string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}
