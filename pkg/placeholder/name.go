package placeholder

import (
	"strconv"
	"strings"
)

// infix stands between the name of the Headroom and the ordinal, so that no pod name of a StatefulSet is ever taken.
const infix = "-headroom-"

// Name is the name of the placeholder pod with this ordinal (0 or more). No two Headrooms of a namespace share one.
func Name(headroom string, ordinal int) string {
	return headroom + infix + strconv.Itoa(ordinal)
}

// Ordinal is the inverse of Name: the ordinal of a pod of this name, and false if Name gives that name for no ordinal.
func Ordinal(headroom, podName string) (int, bool) {
	digits, ok := strings.CutPrefix(podName, headroom+infix)
	if !ok {
		return 0, false
	}
	ordinal, err := strconv.Atoi(digits)
	if err != nil || ordinal < 0 || strconv.Itoa(ordinal) != digits {
		return 0, false
	}
	return ordinal, true
}

// DaemonSetName is the name of the DaemonSet of a Headroom with placement PerNode.
func DaemonSetName(headroom string) string {
	return headroom + "-headroom"
}
