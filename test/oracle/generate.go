package oracle

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

var (
	apps       = []string{"web", "db"}
	namespaces = []string{"shop", "batch"}
	zones      = []string{"a", "b", "c"}
)

// maybe is true once in n times, and shrinks to false.
func maybe(t *rapid.T, n int, label string) bool {
	return rapid.IntRange(0, n-1).Draw(t, label) == n-1 && n > 1
}

// Generate draws a cluster. What shrinks away is what does not matter to a counter-example.
func Generate(t *rapid.T) *Cluster { return rapid.Custom(generate).Draw(t, "cluster") }

func generate(t *rapid.T) *Cluster {
	c := &Cluster{Teams: map[string]string{"shop": "red", "batch": "blue"}, OtherScores: maybe(t, 3, "other Score plugins"),
		MinScored: rapid.SampledFrom([]int{1, 2, 100}).Draw(t, "least number of scored nodes")}
	c.Headrooms = generateHeadrooms(t)
	packed := rapid.IntRange(0, 5).Draw(t, "packed") > 0
	uniform := maybe(t, 4, "uniform")
	for i := range rapid.IntRange(1, 8).Draw(t, "nodes") {
		if uniform && i > 0 {
			c.copyNode(i)
			continue
		}
		c.Nodes = append(c.Nodes, generateNode(t, i))
		c.fill(t, c.Nodes[i])
		if packed {
			c.pack(t, c.Nodes[i])
		}
	}
	c.generateQueue(t)
	return c
}

// copyNode adds a node like the first, with pods like those on it, so that nodes tie.
func (c *Cluster) copyNode(i int) {
	node := c.Nodes[0]
	node.Name = fmt.Sprintf("n%d", i)
	c.Nodes = append(c.Nodes, node)
	for _, p := range slices.Clone(c.Pods) {
		if p.Node != c.Nodes[0].Name {
			continue
		}
		p.Node, p.Name = node.Name, fmt.Sprintf("%s-%d", p.Name, i)
		p.UID = "uid-" + p.Name
		c.Pods = append(c.Pods, p)
	}
}

// generateQueue draws one to four consumers. Pods that come together are often alike. None has a higher priority than those before it, or
// kube-scheduler's own preemption could take these.
func (c *Cluster) generateQueue(t *rapid.T) {
	c.Consumer = c.generateConsumer(t)
	for i := range rapid.IntRange(0, 3).Draw(t, "more consumers") {
		next := c.Consumer
		if !maybe(t, 2, "alike") {
			next = c.generateConsumer(t)
		}
		next.Priority = min(next.Priority, c.consumers()[i].Priority)
		next.Name, next.UID = fmt.Sprintf("consumer-%d", i+2), fmt.Sprintf("uid-consumer-%d", i+2)
		c.Then = append(c.Then, next)
	}
	c.Pace = rapid.SampledFrom([]Pace{WhenBound, WhenReserved, WhileEvicting}).Draw(t, "pace")
}

// GenerateGroup draws a cluster whose consumers are the members of one group, two to four, which are alike but for their sizes and ages. None
// of them is system-critical, none could preempt a running pod, none must be spread among the others, so that it does not matter which of them
// is tried first, and nothing goes by itself: what happens to groups then is no matter of the rules.
func GenerateGroup(t *rapid.T) *Cluster { return rapid.Custom(generateGroup).Draw(t, "cluster") }

func generateGroup(t *rapid.T) *Cluster {
	c := generate(t)
	if c.Consumer.Priority >= critical {
		c.Consumer.Priority = 1000
	}
	c.Consumer.Group, c.Consumer.SpreadKey, c.Then, c.Pace = "training", "", nil, WhenBound
	for i := range rapid.IntRange(1, 3).Draw(t, "more members") {
		next := c.Consumer
		if maybe(t, 3, "another size") {
			next.Size = generateSize(t, 3)
		}
		next.Created = rapid.IntRange(-1, 1).Draw(t, "age")
		next.Name, next.UID = fmt.Sprintf("consumer-%d", i+2), fmt.Sprintf("uid-consumer-%d", i+2)
		c.Then = append(c.Then, next)
	}
	for i := range c.Pods {
		p := &c.Pods[i]
		if p.Terminating = false; p.Headroom < 0 || p.Stray {
			p.Priority = max(p.Priority, c.Consumer.Priority)
		}
	}
	return c
}

// reservedPriority is the value of the PriorityClass of reserved units, unless somebody made that anew.
const reservedPriority = 1_000_000

func generateHeadrooms(t *rapid.T) []Headroom {
	var all []Headroom
	for i := range rapid.IntRange(1, 3).Draw(t, "headrooms") {
		h := Headroom{
			Namespace:  rapid.SampledFrom(namespaces).Draw(t, "namespace"),
			Name:       fmt.Sprintf("hr%d", i),
			Size:       generateSize(t, 2),
			Priority:   rapid.SampledFrom([]int32{-5, -1, -10}).Draw(t, "priority"),
			SpreadKeys: rapid.SampledFrom([][]string{nil, {zoneKey}, {hostKey}, {hostKey, zoneKey}}).Draw(t, "spread keys"),
			Consumers:  generateConsumers(t),
			PerNode:    maybe(t, 5, "per node"),
		}
		if h.Reserved = h.Consumers.name() && maybe(t, 2, "reserved"); h.Reserved {
			h.Priority = reservedPriority
		}
		all = append(all, h)
	}
	return all
}

func generateConsumers(t *rapid.T) *Consumers {
	if !maybe(t, 3, "restricted") {
		return nil
	}
	c := &Consumers{
		App:        rapid.SampledFrom([]string{"web", "", "db"}).Draw(t, "podSelector"),
		Namespaces: rapid.SampledFrom([]string{"", "all", "red", "blue"}).Draw(t, "namespaceSelector"),
	}
	if maybe(t, 3, "has minPriority") {
		priority := rapid.SampledFrom([]int32{0, 10, 11}).Draw(t, "minPriority")
		c.MinPriority = &priority
	}
	c.Polite = maybe(t, 2, "non-preempting pods too")
	return c
}

// generateSize draws a request of up to max cores; sizes repeat often, so that ties do.
func generateSize(t *rapid.T, max int64) Amounts {
	size := Amounts{CPU: 500 * rapid.Int64Range(1, 2*max).Draw(t, "half cores")}
	if maybe(t, 2, "has memory") {
		size.Memory = 256 * rapid.Int64Range(1, 8).Draw(t, "quarter GiB")
	}
	if maybe(t, 6, "has gpu") {
		size.GPU = rapid.Int64Range(1, 2).Draw(t, "gpus")
	}
	return size
}

func generateNode(t *rapid.T, index int) Node {
	n := Node{
		Name: fmt.Sprintf("n%d", index),
		Zone: rapid.SampledFrom(zones).Draw(t, "zone"),
		Size: Amounts{
			CPU:    rapid.SampledFrom([]int64{4000, 2000, 8000}).Draw(t, "cores"),
			Memory: rapid.SampledFrom([]int64{4096, 8192}).Draw(t, "memory"),
		},
		Pods: 110,
		SSD:  maybe(t, 2, "ssd"),
	}
	if maybe(t, 3, "has gpus") {
		n.Size.GPU = rapid.Int64Range(1, 4).Draw(t, "node gpus")
	}
	if maybe(t, 4, "few pods") {
		n.Pods = rapid.Int64Range(1, 4).Draw(t, "pod limit")
	}
	n.Tainted = maybe(t, 8, "tainted")
	n.Cordoned = maybe(t, 10, "cordoned")
	n.LacksHostLabel = maybe(t, 15, "no hostname label")
	if maybe(t, 12, "no zone") {
		n.Zone = ""
	}
	return n
}

// fill puts pods on the node: placeholders mostly, as many as fit, and now and then one too many, since kubelets, static pods and shrunk
// nodes do that.
func (c *Cluster) fill(t *rapid.T, node Node) {
	for range rapid.IntRange(0, 5).Draw(t, "pods on "+node.Name) {
		p := c.generatePod(t, node)
		if !c.fitsBeside(node, p) && (!maybe(t, 20, "overcommit") || c.relieved(node, p)) {
			continue
		}
		c.Pods = append(c.Pods, p)
	}
}

// relieved reports whether the scheduler takes placeholders from the node when it starts, because with this pod there is more on it than it
// has: units that hold some of what is too much, those included that are terminating, as nothing is in the clusters of groups. Where
// reserved units or other pods hold all of that, the node stays as it is.
func (c *Cluster) relieved(node Node, p Pod) bool {
	used, on := p.Size, []Pod{p}
	for _, other := range c.Pods {
		if other.Node == node.Name {
			used, on = used.plus(other.Size), append(on, other)
		}
	}
	return slices.ContainsFunc(on, func(unit Pod) bool {
		return unit.Headroom >= 0 && !unit.Stray && !unit.Reserved &&
			(int64(len(on)) > node.Pods || used.CPU > node.Size.CPU && unit.Size.CPU > 0 || used.Memory > node.Size.Memory && unit.Size.Memory > 0 ||
				used.GPU > node.Size.GPU && node.Size.GPU > 0 && unit.Size.GPU > 0)
	})
}

// pack leaves no room on the node for one more unit of a Headroom, so that consumers have to take some.
func (c *Cluster) pack(t *rapid.T, node Node) {
	h := rapid.IntRange(0, len(c.Headrooms)-1).Draw(t, "packed with")
	for range 8 {
		p := c.placeholder(h, node)
		p.Created = len(c.Pods) % 3
		if !c.fitsBeside(node, p) {
			return
		}
		c.Pods = append(c.Pods, p)
	}
}

// placeholder is a fresh unit of the Headroom.
func (c *Cluster) placeholder(headroom int, node Node) Pod {
	h, index := c.Headrooms[headroom], len(c.Pods)
	return Pod{Namespace: h.Namespace, Name: fmt.Sprintf("p%d", index), UID: fmt.Sprintf("uid-%d", (index*7919)%1000), Node: node.Name,
		Headroom: headroom, Size: h.Size, Priority: h.Priority, Reserved: h.Reserved}
}

func (c *Cluster) fitsBeside(node Node, p Pod) bool {
	used, count := p.Size, int64(1)
	for _, other := range c.Pods {
		if other.Node == node.Name {
			used = used.plus(other.Size)
			count++
		}
	}
	return used.CPU <= node.Size.CPU && used.Memory <= node.Size.Memory && used.GPU <= node.Size.GPU && count <= node.Pods
}

func (c *Cluster) generatePod(t *rapid.T, node Node) Pod {
	p := c.placeholder(rapid.IntRange(0, len(c.Headrooms)-1).Draw(t, "headroom"), node)
	p.UID = fmt.Sprintf("uid-%d-%s", rapid.IntRange(0, 9).Draw(t, "uid"), p.Name)
	p.Created = rapid.IntRange(0, 2).Draw(t, "created")
	if maybe(t, 3, "ordinary pod") {
		p.Headroom, p.Reserved, p.Namespace = -1, false, rapid.SampledFrom(namespaces).Draw(t, "namespace")
		p.App = rapid.SampledFrom([]string{"web", "db", ""}).Draw(t, "app")
		p.Size = generateSize(t, 2)
		p.Priority = rapid.SampledFrom([]int32{10, 0, -1, -20}).Draw(t, "priority")
		return p
	}
	if maybe(t, 6, "mixed size") {
		p.Size = generateSize(t, 2) // made from an older spec
	}
	if maybe(t, 10, "mixed priority") {
		p.Priority = rapid.SampledFrom([]int32{-3, 0, 10}).Draw(t, "placeholder priority")
	}
	if maybe(t, 10, "from before it was reserved, or from then") {
		p.Reserved = !p.Reserved
	}
	p.Terminating = maybe(t, 10, "terminating")
	p.Stray = maybe(t, 15, "stray")
	return p
}

func (c *Cluster) generateConsumer(t *rapid.T) Pod {
	p := Pod{
		Name: "consumer", UID: "uid-consumer", Headroom: -1, Namespace: rapid.SampledFrom(namespaces).Draw(t, "namespace"),
		App: rapid.SampledFrom([]string{"web", "db", ""}).Draw(t, "app"), Size: generateSize(t, 3),
		Priority: rapid.SampledFrom([]int32{0, 10, 0, -1, -7, 1000, critical, reservedPriority, reservedPriority + 1}).Draw(t, "priority"),
	}
	p.Never = maybe(t, 8, "never preempts")
	p.Tolerates = maybe(t, 4, "tolerates")
	p.WantsSSD = maybe(t, 6, "wants ssd")
	if maybe(t, 5, "near") {
		p.Near = rapid.SampledFrom(apps).Draw(t, "near app")
	}
	if maybe(t, 5, "affinity") {
		p.AffinityApp = rapid.SampledFrom(apps).Draw(t, "affinity app")
		p.AffinityKey = rapid.SampledFrom([]string{zoneKey, hostKey}).Draw(t, "affinity key")
		p.Required = maybe(t, 2, "required")
	}
	if maybe(t, 8, "anti-affinity") {
		p.AntiApp = rapid.SampledFrom(apps).Draw(t, "anti app")
	}
	if maybe(t, 6, "prefers a zone") && c.allZoned() {
		p.PreferZone = rapid.SampledFrom(zones).Draw(t, "preferred zone")
	}
	if maybe(t, 8, "spreads") && p.App != "" {
		p.SpreadKey = rapid.SampledFrom([]string{zoneKey, hostKey}).Draw(t, "spread key")
	}
	return p
}

// allZoned reports whether every node has a zone. A preferred zone is asked for only then: it names no region, and whether nodes without a
// zone are as far as those of other zones is nothing the rules decide.
func (c *Cluster) allZoned() bool {
	for _, n := range c.Nodes {
		if n.Zone == "" {
			return false
		}
	}
	return true
}
