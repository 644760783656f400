package allotment

// Limits are what the operator allows. Zero is no limit.
type Limits struct {
	// PerHeadroom, PerNamespace and Total are how many units may exist of one Headroom, in one namespace, and in all.
	PerHeadroom, PerNamespace, Total int
	// Pending is the window: how many units may wait for a node at a time, in all.
	Pending int
}

// Headroom is one that has units or wants some.
type Headroom struct {
	// Namespace is where it is.
	Namespace string
	// Units is how many of its units exist, and Pending how many of them wait for a node, or are about to be made. Units that a DaemonSet
	// makes count in Units only: autoscalers add no nodes for them.
	Units, Pending int
	// Missing is how many units more it wants, and Replacing how many of those that do not wait it wants to replace by others, which will.
	Missing, Replacing int
	// Turn orders Headrooms with as many units waiting: the lowest is next. Give who had its turn one that is higher than all.
	Turn uint64
	// Overdue reports whether it has waited for its fair share for too long.
	Overdue bool
}

// Limit is what keeps a Headroom from making the units that it wants.
type Limit string

// What can keep a Headroom from making units.
const (
	// NoLimit lets it make all that it wants.
	NoLimit Limit = ""
	// LimitHeadroom, LimitNamespace and LimitTotal are Limits.PerHeadroom, Limits.PerNamespace and Limits.Total.
	LimitHeadroom  Limit = "Headroom"
	LimitNamespace Limit = "Namespace"
	LimitTotal     Limit = "Total"
	// LimitPending is Limits.Pending: its turn comes when others' units, or its own, are bound.
	LimitPending Limit = "Pending"
)

// Grant is how many units a Headroom may make now.
type Grant struct {
	// Create is how many more than it has, and Replace how many in the place of others.
	Create, Replace int
	// Limit is what keeps it from making the others that it wants.
	Limit Limit
}

// wants is how many places of the window a Headroom could use.
func (h Headroom) wants() int { return h.Missing + h.Replacing }
