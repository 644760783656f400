package holes

import (
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// amountOf returns what a pod takes of a node: what it requests, and itself as one pod in AllowedPodNumber.
func amountOf(info fwk.PodInfo) *framework.Resource {
	amount := &framework.Resource{AllowedPodNumber: 1}
	requests := info.CalculateResource().Resource
	amount.MilliCPU, amount.Memory, amount.EphemeralStorage = requests.GetMilliCPU(), requests.GetMemory(), requests.GetEphemeralStorage()
	for name, quantity := range requests.GetScalarResources() {
		amount.SetScalar(name, quantity)
	}
	return amount
}

// add adds an amount so many times.
func add(sum, amount *framework.Resource, times int64) {
	sum.MilliCPU += times * amount.MilliCPU
	sum.Memory += times * amount.Memory
	sum.EphemeralStorage += times * amount.EphemeralStorage
	sum.AllowedPodNumber += int(times) * amount.AllowedPodNumber
	for name, quantity := range amount.ScalarResources {
		sum.AddScalar(name, times*quantity)
	}
}

// grow makes each resource of an amount at least what it is of another one.
func grow(most, amount *framework.Resource) {
	most.MilliCPU = max(most.MilliCPU, amount.MilliCPU)
	most.Memory = max(most.Memory, amount.Memory)
	most.EphemeralStorage = max(most.EphemeralStorage, amount.EphemeralStorage)
	most.AllowedPodNumber = max(most.AllowedPodNumber, amount.AllowedPodNumber)
	for name := range sets.KeySet(amount.ScalarResources) {
		most.SetScalar(name, max(most.ScalarResources[name], amount.ScalarResources[name]))
	}
}

// within reports whether an amount is no larger than another one in any resource.
func within(amount, other *framework.Resource) bool {
	if amount.MilliCPU > other.MilliCPU || amount.Memory > other.Memory || amount.EphemeralStorage > other.EphemeralStorage ||
		amount.AllowedPodNumber > other.AllowedPodNumber {
		return false
	}
	for name, quantity := range amount.ScalarResources {
		if quantity > other.ScalarResources[name] {
			return false
		}
	}
	return true
}

// nothing reports whether an amount is zero in every resource.
func nothing(amount *framework.Resource) bool { return within(amount, &framework.Resource{}) }
