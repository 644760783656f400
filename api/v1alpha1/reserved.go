package v1alpha1

import "cmp"

const (
	// DefaultPriorityClassName is the API's default of spec.priorityClassName.
	DefaultPriorityClassName = "headroom"
	// ReservedPriorityClassName is the PriorityClass of the units of Headrooms with spec.reserved. Only the controller makes pods of this
	// class, and it makes no other units of it.
	ReservedPriorityClassName = "headroom-reserved"
)

// UnitPriorityClassName is the PriorityClass of the units: that of reserved
// ones with reserved, else priorityClassName or its default.
func (s *HeadroomSpec) UnitPriorityClassName() string {
	if s.Reserved {
		return ReservedPriorityClassName
	}
	return cmp.Or(s.PriorityClassName, DefaultPriorityClassName)
}
