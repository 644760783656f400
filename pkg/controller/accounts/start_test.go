package accounts

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/headroom-dev/headroom/pkg/account"
)

// start starts the Keeper; ended tells when it has ended, and whether by an error. It is to be called in a bubble of synctest.
func (s *story) start() (stop context.CancelFunc, ended chan error) {
	ctx, stop := context.WithCancel(s.t.Context())
	ended = make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	synctest.Wait()
	return stop, ended
}

// tick has the time between two writes pass, in which a unit is taken.
func (s *story) tick() {
	s.takes("a")
	s.clock.Step(WriteInterval)
	synctest.Wait()
}

// TestEachRecordSaysThroughWhatAllAreComplete, once that is known: the next process, or another installation, asks the history from there.
func TestEachRecordSaysThroughWhatAllAreComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, headroomObject("1"))
		version := 100
		s.Live = interceptor.NewClient(s.client.(client.WithWatch), interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
				if _, pods := list.(*metav1.PartialObjectMetadataList); !pods {
					return c.List(ctx, list, options...)
				}
				version++
				list.SetResourceVersion(fmt.Sprint(version))
				return nil
			},
		})
		s.Processed(web, 1000) // of this Headroom everything is worked on, of others nobody knows
		stop, ended := s.start()
		for _, want := range []string{"", "", "101", "102"} {
			s.tick()
			require.Equal(t, want, s.stored(t).Record.Position.AllThrough)
		}
		stop()
		require.NoError(t, <-ended)
		require.Equal(t, "102", s.stored(t).Record.Position.AllThrough, "nothing was worked on since")
	})
}

// TestEachTickLooksAtTheAccounts: hours in which nothing happens are evidence.
func TestEachTickLooksAtTheAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, headroomObject("1"))
		stop, ended := s.start()
		s.Observed(web, 1, 3, 0, s.clock.Now())
		for range time.Hour / WriteInterval {
			s.clock.Step(WriteInterval)
			synctest.Wait()
		}
		s.Read(web, func(a *account.Account) {
			require.Len(t, a.Hours(), 2)
			require.Equal(t, uint32(1<<account.Slots-1), a.Hours()[0].Seen)
		})
		stop()
		require.NoError(t, <-ended)
	})
}

// TestATakeOverThatIsInterruptedWritesNothing: what was to be replayed is not in the account, and who reads it next would not look for it.
func TestATakeOverThatIsInterruptedWritesNothing(t *testing.T) {
	for name, interrupted := range map[string]bool{"one that is interrupted": true, "one that is not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStory(t, keptBy("one"))
				one, two := s.other(t, "one"), &story{t: t, clock: s.clock, client: s.client}
				one.takes("a")
				one.Processed(web, 17)
				one.writeAll(t.Context(), 0)
				two.restart()
				two.Identity, two.Installation = "a process of two", "two"
				clients := fake.NewClientset()
				two.Pods = clients
				stop, ended := two.start()
				two.tick() // it keeps nothing
				clients.PrependWatchReactor("pods", func(clienttesting.Action) (bool, watch.Interface, error) {
					if interrupted {
						stop()
					}
					history := watch.NewRaceFreeFake()
					history.Stop()
					return true, history, nil
				})
				two.Keep(web)
				two.takes("b")
				two.clock.Step(WriteInterval)
				synctest.Wait()
				stop()
				require.NoError(t, <-ended)
				writer, taken := "a process of two", 2
				if interrupted {
					writer, taken = one.Identity, 1
				}
				require.Equal(t, writer, s.stored(t).Record.Position.Writer)
				require.EqualValues(t, taken, s.stored(t).Record.Taken)
			})
		})
	}
}
