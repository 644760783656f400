package placeholder

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// anyUser is the numeric user that images without one run as, the pause image's own.
const anyUser = 65535

// podSecurity fills in what Pod Security level restricted asks of the pod. A field that the user set stays.
func podSecurity(pod *corev1.PodSecurityContext, container *corev1.SecurityContext) *corev1.PodSecurityContext {
	if pod == nil {
		pod = &corev1.PodSecurityContext{}
	}
	if pod.RunAsUser == nil {
		pod.RunAsUser = ptr.To[int64](anyUser)
	}
	// A Headroom that asks for root gets it, if the namespace allows; a pod that must not run as root and does would never start.
	if pod.RunAsNonRoot == nil && *pod.RunAsUser != 0 && !isRoot(container) {
		pod.RunAsNonRoot = ptr.To(true)
	}
	if pod.SeccompProfile == nil {
		pod.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
	return pod
}

// containerSecurity fills in what Pod Security level restricted asks of the container, and a read-only root file system. A
// field that the user set stays.
func containerSecurity(c *corev1.SecurityContext) *corev1.SecurityContext {
	if c == nil {
		c = &corev1.SecurityContext{}
	}
	// Kubernetes refuses the contradiction of a privileged container that must not gain privileges.
	if c.AllowPrivilegeEscalation == nil && !ptr.Deref(c.Privileged, false) && !addsSysAdmin(c.Capabilities) {
		c.AllowPrivilegeEscalation = ptr.To(false)
	}
	if c.Capabilities == nil {
		c.Capabilities = &corev1.Capabilities{}
	}
	if c.Capabilities.Drop == nil {
		c.Capabilities.Drop = []corev1.Capability{"ALL"}
	}
	if c.ReadOnlyRootFilesystem == nil {
		c.ReadOnlyRootFilesystem = ptr.To(true)
	}
	return c
}

func isRoot(c *corev1.SecurityContext) bool {
	return c != nil && c.RunAsUser != nil && *c.RunAsUser == 0
}

func addsSysAdmin(c *corev1.Capabilities) bool {
	if c == nil {
		return false
	}
	for _, capability := range c.Add {
		if capability == "SYS_ADMIN" || capability == "CAP_SYS_ADMIN" {
			return true
		}
	}
	return false
}
