package account

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/headroom-dev/headroom/api/v1alpha1"
)

// MaxBytes is the largest stored form of an account, as JSON. The API server's own metadata fit beside it into 64 KiB.
const MaxBytes = 60 << 10

// Encode returns the stored form, at the position of the controller. What would make it too large goes, in this order:
// the slots of the older half of the hours, again and again; the older half of the takes, again and again.
func (a *Account) Encode(position v1alpha1.AccountPosition) (v1alpha1.AccountRecord, error) {
	position.LackedThroughTime = microTime(a.lackedThrough)
	for _, went := range a.missing {
		position.Missing = append(position.Missing, metav1.NewMicroTime(went))
	}
	record := v1alpha1.AccountRecord{
		OpenedTime: &metav1.Time{Time: a.opened},
		Taken:      a.totals.Taken, Lacked: a.totals.Lacked, Abandoned: a.totals.Lost[LossAbandoned],
		Position: position,
	}
	for why, units := range a.totals.Lost {
		if units > 0 {
			record.Lost = append(record.Lost, v1alpha1.AccountLoss{Reason: string(why), Units: units})
		}
	}
	slices.SortFunc(record.Lost, func(x, y v1alpha1.AccountLoss) int { return cmp.Compare(x.Reason, y.Reason) })
	record.Missed = MissedPods(a.totals.Missed)
	for _, t := range a.takes {
		record.Takes = append(record.Takes, takeOf(t))
	}
	return fit(record, slices.Clone(a.hours))
}

// fit puts the hours into the record, and makes it as small as it must be.
func fit(record v1alpha1.AccountRecord, hours []Hour) (v1alpha1.AccountRecord, error) {
	for detailed := len(hours); ; {
		var err error
		if record.Hours, err = pack(hours); err != nil {
			return record, err
		}
		encoded, err := json.Marshal(record)
		switch {
		case err != nil:
			return record, fmt.Errorf("encoding an account: %w", err)
		case len(encoded) <= MaxBytes:
			return record, nil
		case detailed > 0:
			detailed /= 2
			for i := range hours[:len(hours)-detailed] {
				hours[i].TakenIn, hours[i].LackedIn, hours[i].AgainIn = nil, nil, nil
			}
		case len(record.Takes) > 0:
			record.Takes = record.Takes[(len(record.Takes)+1)/2:]
		default:
			return record, fmt.Errorf("encoding an account: %d bytes are more than %d, and nothing is left to drop", len(encoded), MaxBytes)
		}
	}
}

// compressors are used again: a new one takes 800 KiB, and accounts are written by the hundreds.
var compressors = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestCompression) // the level is one
	return w
}}

func pack(hours []Hour) ([]byte, error) {
	var packed bytes.Buffer
	w := compressors.Get().(*gzip.Writer) //nolint:forcetypeassert // there is nothing else in the pool
	defer compressors.Put(w)
	w.Reset(&packed)
	if err := json.NewEncoder(w).Encode(hours); err != nil {
		return nil, fmt.Errorf("compressing an account: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing an account: %w", err)
	}
	return packed.Bytes(), nil
}

// maxUnpacked bounds what a record unpacks to, whoever wrote it.
const maxUnpacked = 4 << 20

func unpack(packed []byte) ([]Hour, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("reading the hours of an account: %w", err)
	}
	var hours []Hour
	if err := json.NewDecoder(io.LimitReader(r, maxUnpacked)).Decode(&hours); err != nil {
		return nil, fmt.Errorf("reading the hours of an account: %w", err)
	}
	return hours, nil
}

// Decode reads a stored form. It fails on one that no controller wrote.
func Decode(record *v1alpha1.AccountRecord) (*Account, error) {
	hours, err := unpack(record.Hours)
	if err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(hours, func(x, y Hour) int { return cmp.Compare(x.Hour, y.Hour) }) {
		return nil, errors.New("reading the hours of an account: they are in no order")
	}
	for i := range hours {
		if max(len(hours[i].TakenIn), len(hours[i].LackedIn), len(hours[i].AgainIn)) > Slots {
			return nil, fmt.Errorf("reading the hours of an account: one has more than %d slots", Slots)
		}
	}
	a := New(time.Time{})
	if record.OpenedTime != nil {
		a.opened = record.OpenedTime.Time
	}
	a.hours = hours
	a.totals.Taken, a.totals.Lacked = record.Taken, record.Lacked
	for _, loss := range record.Lost {
		a.totals.Lost[Loss(loss.Reason)] = loss.Units
	}
	for _, miss := range record.Missed {
		a.totals.Missed[Miss(miss.Reason)] = miss.Pods
	}
	for i := range record.Takes {
		a.takes = append(a.takes, takeFrom(&record.Takes[i]))
	}
	if through := record.Position.LackedThroughTime; through != nil {
		a.lackedThrough = through.Time
	}
	for _, went := range record.Position.Missing {
		a.missing = append(a.missing, went.Time)
	}
	return a, nil
}

// MissedPods puts pods by reason into the form of the API: in the order of the reasons, and only those of which there are any.
func MissedPods[N int | int64](pods map[Miss]N) []v1alpha1.MissedPods {
	var missed []v1alpha1.MissedPods
	for _, why := range slices.Sorted(maps.Keys(pods)) {
		if pods[why] > 0 {
			missed = append(missed, v1alpha1.MissedPods{Reason: string(why), Pods: int64(pods[why])})
		}
	}
	return missed
}

func takeOf(t Take) v1alpha1.AccountTake {
	stored := v1alpha1.AccountTake{
		Time: metav1.NewMicroTime(t.Time), Placeholder: t.Placeholder, UID: string(t.UID), Node: t.Node, How: string(t.How),
		ConsumerUID: string(t.Consumer.UID), Owner: t.Consumer.Owner, RefillMilliseconds: t.Refilled.Milliseconds(),
	}
	if t.Consumer.Name != "" {
		stored.Consumer = t.Consumer.String()
	}
	return stored
}

func takeFrom(stored *v1alpha1.AccountTake) Take {
	t := Take{
		Time: stored.Time.Time, Placeholder: stored.Placeholder, UID: types.UID(stored.UID), Node: stored.Node, How: How(stored.How),
		Consumer: Consumer{UID: types.UID(stored.ConsumerUID), Owner: stored.Owner},
		Refilled: time.Duration(stored.RefillMilliseconds) * time.Millisecond,
	}
	if namespace, name, ok := strings.Cut(stored.Consumer, "/"); ok {
		t.Consumer.NamespacedName = types.NamespacedName{Namespace: namespace, Name: name}
	}
	return t
}

func microTime(t time.Time) *metav1.MicroTime {
	if t.IsZero() {
		return nil
	}
	return &metav1.MicroTime{Time: t}
}
