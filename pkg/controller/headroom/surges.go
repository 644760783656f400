package headroom

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/topup"
)

// surges is what topup.NextSurge has to know of each Headroom. It is safe for concurrent use: reconciles of several Headrooms write
// to it.
type surges struct {
	mu     sync.Mutex
	memory map[types.NamespacedName]topup.SurgeMemory
}

func newSurges() *surges {
	return &surges{memory: map[types.NamespacedName]topup.SurgeMemory{}}
}

// next decides on the surge of a Headroom and remembers what the next decision needs. A PerNode Headroom has none: there is nowhere
// else to make its units.
func (s *surges) next(headroom *v1alpha1.Headroom, seen *observation) topup.Surge {
	if headroom.Spec.Placement == v1alpha1.PlacementPerNode {
		return topup.Surge{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := client.ObjectKeyFromObject(headroom)
	memory, surge := topup.NextSurge(s.memory[key], seen.at, wanted(headroom, seen), topupUnits(seen.units))
	s.memory[key] = memory
	return surge
}

func (s *surges) forget(headroom types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.memory, headroom)
}
