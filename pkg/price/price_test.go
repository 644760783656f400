package price

import (
	"math"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
)

func list(cpu, memory string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
}

// node is a node of 8 CPUs and 32 GiB.
func node(labels, annotations map[string]string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: annotations},
		Status:     corev1.NodeStatus{Allocatable: list("8", "32Gi")},
	}
}

func TestThePriceOfANodeIsThatOfItsLabelOrElseThatOfAllNodes(t *testing.T) {
	is := func(value string) map[string]string { return map[string]string{"price": value} }
	for name, tc := range map[string]struct {
		prices Prices
		node   *corev1.Node
		want   float64
	}{
		"a label":                             {Prices{Label: "price"}, node(is("0.5"), nil), 0.5},
		"an annotation":                       {Prices{Label: "price"}, node(nil, is("0.25")), 0.25},
		"the label wins over the annotation":  {Prices{Label: "price"}, node(is("0.5"), is("0.25")), 0.5},
		"the label wins over that of all":     {Prices{Node: 1, Label: "price"}, node(is("0.5"), nil), 0.5},
		"no label":                            {Prices{Label: "price"}, node(nil, nil), 0},
		"no label, but a price for all":       {Prices{Node: 1, Label: "price"}, node(nil, nil), 1},
		"a price for all alone":               {Prices{Node: 1}, node(is("0.5"), nil), 1},
		"no prices":                           {Prices{}, node(is("0.5"), nil), 0},
		"an empty name finds no empty label":  {Prices{}, node(map[string]string{"": "7"}, nil), 0},
		"a value that is no number":           {Prices{Label: "price"}, node(is("much"), nil), 0},
		"no number, but a price for all":      {Prices{Node: 1, Label: "price"}, node(is("much"), nil), 1},
		"a node that costs nothing":           {Prices{Node: 1, Label: "price"}, node(is("0"), nil), 0},
		"a value below zero":                  {Prices{Label: "price"}, node(is("-1"), nil), 0},
		"a value without bound":               {Prices{Label: "price"}, node(is("Inf"), nil), 0},
		"a value that is not a number at all": {Prices{Label: "price"}, node(is("NaN"), nil), 0},
		"a value that nothing costs":          {Prices{Node: 1, Label: "price"}, node(is("1e300"), nil), 1},
	} {
		t.Run(name, func(t *testing.T) { require.InDelta(t, tc.want, tc.prices.Of(tc.node), 0) })
	}
	require.False(t, Prices{}.Any())
	require.True(t, Prices{Node: 1}.Any())
	require.True(t, Prices{Label: "price"}.Any())
}

func TestAUnitCostsTheShareOfItsNode(t *testing.T) {
	unit := list("1", "8Gi")
	// A unit takes a quarter of the first by its memory, and half of the second; the third is too small for one.
	nodes := []Node{{list("8", "32Gi"), 0.40}, {list("2", "32Gi"), 0.20}, {list("8", "4Gi"), 9}}
	perHour, ok := PerUnit(unit, nodes)
	require.True(t, ok)
	require.InDelta(t, (0.40/4+0.20/2)/2, perHour, 1e-9)
	perHour, ok = PerUnit(unit, []Node{{list("1", "8Gi"), 0.10}, {list("999m", "8Gi"), 9}})
	require.True(t, ok, "it fills the first")
	require.InDelta(t, 0.10, perHour, 1e-9)
	_, ok = PerUnit(unit, nodes[2:])
	require.False(t, ok, "no unit fits there")
	_, ok = PerUnit(corev1.ResourceList{"example.com/gpu": resource.MustParse("1")}, nodes)
	require.False(t, ok, "no node has any")
	unit["example.com/gpu"] = resource.MustParse("0")
	perHour, ok = PerUnit(unit, nodes)
	require.True(t, ok, "it asks for none, so that a node without any is as good")
	require.InDelta(t, (0.40/4+0.20/2)/2, perHour, 1e-9)
	_, ok = PerUnit(nil, nodes)
	require.False(t, ok, "nothing is requested")
}

func TestHeldUnitsCostWhatTheirNodesDoAndThoseWithoutAPriceAreCountedApart(t *testing.T) {
	var held Held
	_, ok := held.PerUnit()
	require.False(t, ok)
	prices := Prices{Label: "price"}
	priced := node(map[string]string{"price": "0.8"}, nil)
	held.Add(list("2", "1Gi"), priced, prices)  // a quarter of 0.8
	held.Add(list("4", "1Gi"), priced, prices)  // half of it
	held.Add(list("16", "1Gi"), priced, prices) // overcommitted, and still one node
	var bare Held
	bare.Add(list("4", "1Gi"), node(nil, nil), prices)
	bare.Add(corev1.ResourceList{"example.com/gpu": resource.MustParse("1")}, priced, prices) // the node does not say that it has any
	bare.Add(list("1", "1Gi"), priced, prices)                                                // an eighth
	held.Plus(bare)
	require.Equal(t, 4, held.Priced)
	require.Equal(t, 2, held.Unpriced)
	require.InDelta(t, 0.2+0.4+0.8+0.1, held.PerHour, 1e-9)
	perHour, ok := held.PerUnit()
	require.True(t, ok)
	require.InDelta(t, 1.5/4, perHour, 1e-9)
}

func TestAmountsAreDecimalNumbers(t *testing.T) {
	for amount, want := range map[float64]string{0: "0", 0.1: "0.1", 12: "12", 100: "100", 0.0000004: "0", 1.0 / 3: "0.333333", 16.8: "16.8"} {
		require.Equal(t, want, Decimal(amount))
	}
	form := regexp.MustCompile(`^[0-9]{1,24}(\.[0-9]{1,6})?$`) // what the definition of Headrooms takes
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Float64Range(0, Max*10_000*HoursPerWeek).Draw(t, "amount") // the most that can be: 10,000 units for a week
		text := Decimal(amount)
		require.Regexp(t, form, text)
		read, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		require.LessOrEqual(t, math.Abs(read-amount), 0.0000005+amount*1e-12)
	})
}
