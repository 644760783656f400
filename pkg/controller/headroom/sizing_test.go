package headroom

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/controller/rules"
	"github.com/headroom-dev/headroom/pkg/controller/shapes"
)

// TestAHeadroomIsLookedAtWhenItsShapeOrItsSizeMayBeAnotherOne: no event comes when a pause or a window of the week is over.
func TestAHeadroomIsLookedAtWhenItsShapeOrItsSizeMayBeAnotherOne(t *testing.T) {
	shape := func(after time.Duration) *shapes.Outcome { return &shapes.Outcome{Recheck: after} }
	size := func(after time.Duration) *rules.Outcome { return &rules.Outcome{Recheck: after} }
	for name, tc := range map[string]struct {
		measured measured
		want     time.Duration
	}{
		"neither is from elsewhere":    {},
		"a shape that follows later":   {measured{shape: shape(6 * time.Minute)}, 6 * time.Minute},
		"a size of the week":           {measured{size: size(5 * time.Minute)}, 5 * time.Minute},
		"the shape comes first":        {measured{shape: shape(time.Minute), size: size(5 * time.Minute)}, time.Minute},
		"the size comes first":         {measured{shape: shape(6 * time.Minute), size: size(5 * time.Minute)}, 5 * time.Minute},
		"a shape that is as it is":     {measured{shape: shape(0), size: size(5 * time.Minute)}, 5 * time.Minute},
		"a size that is as it is":      {measured{shape: shape(6 * time.Minute), size: size(0)}, 6 * time.Minute},
		"both are as they are for now": {measured: measured{shape: shape(0), size: size(0)}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, tc.measured.recheck()) })
	}
}

func TestTheShapeInTheStatusGoesWithShapeFrom(t *testing.T) {
	status := v1alpha1.HeadroomStatus{
		Shape: &v1alpha1.ShapeStatus{Message: "1 cpu"}, Conditions: []metav1.Condition{{Type: v1alpha1.ConditionShaped}},
	}
	shapeStatus(&status, webOf(1), nil, epoch)
	require.Equal(t, v1alpha1.HeadroomStatus{UnitRequests: webOf(1).Spec.Requests, Conditions: []metav1.Condition{}}, status)
}

// TestAShapeThatIsHeldIsMadeWhateverTheConditionSays: while it cannot be told, or is about to be another one, units keep the one they have.
func TestAShapeThatIsHeldIsMadeWhateverTheConditionSays(t *testing.T) {
	require.Nil(t, unshaped(nil), "the spec says it")
	for _, status := range []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown} {
		require.Nil(t, unshaped(&shapes.Outcome{Status: &v1alpha1.ShapeStatus{}, Shaped: metav1.Condition{Status: status}}), status)
	}
	unknown := unshaped(&shapes.Outcome{Shaped: metav1.Condition{Status: metav1.ConditionFalse, Message: "there is no Deployment web"}})
	require.Equal(t, &problem{reason: v1alpha1.ReasonShapeUnknown, message: "there is no Deployment web"}, unknown)
}

func TestTheSizeInTheStatusGoesWithSizing(t *testing.T) {
	status := v1alpha1.HeadroomStatus{Sizing: &v1alpha1.SizingStatus{Message: "why"}}
	setCondition(&status.Conditions, condition(v1alpha1.ConditionSized, metav1.ConditionTrue, "X", ""), 1, epoch)
	setCondition(&status.Conditions, condition(v1alpha1.ConditionShaped, metav1.ConditionTrue, "X", ""), 1, epoch)
	sizeStatus(&status, nil, 2, epoch)
	require.Nil(t, status.Sizing)
	require.Len(t, status.Conditions, 1, "the shape is another matter")
	require.Equal(t, v1alpha1.ConditionShaped, status.Conditions[0].Type)
}
