package podpolicy

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"

	"github.com/headroom-dev/headroom/api/v1alpha1"
	"github.com/headroom-dev/headroom/pkg/placeholder"
)

// placeholderOf is the pod that the controller would make of a spec.
func placeholderOf(change func(*v1alpha1.HeadroomSpec)) *corev1.Pod {
	h := &v1alpha1.Headroom{}
	h.Name, h.Namespace = "web", "shop"
	change(&h.Spec)
	return placeholder.Build(h, placeholder.Defaults{}, 0)
}

func TestCheck(t *testing.T) {
	container := func(c corev1.SecurityContext) func(*v1alpha1.HeadroomSpec) {
		return func(s *v1alpha1.HeadroomSpec) { s.SecurityContext = &c }
	}
	pod := func(c corev1.PodSecurityContext) func(*v1alpha1.HeadroomSpec) {
		return func(s *v1alpha1.HeadroomSpec) { s.PodSecurityContext = &c }
	}
	image := func(name string) func(*v1alpha1.HeadroomSpec) {
		return func(s *v1alpha1.HeadroomSpec) { s.Image = name }
	}
	standard := []string{placeholder.DefaultImage}
	const security, images = v1alpha1.ReasonSecurityContextNotAllowed, v1alpha1.ReasonImageNotAllowed
	tests := map[string]struct {
		images []string
		level  string
		spec   func(*v1alpha1.HeadroomSpec)
		want   string // the reason, empty for allowed
		says   string
	}{
		"what a Headroom is silent about":       {standard, "", func(*v1alpha1.HeadroomSpec) {}, "", ""},
		"the same under restricted":             {standard, "restricted", func(*v1alpha1.HeadroomSpec) {}, "", ""},
		"privileged":                            {standard, "", container(corev1.SecurityContext{Privileged: ptr.To(true)}), security, "privileged"},
		"a capability of the kernel":            {standard, "", container(corev1.SecurityContext{Capabilities: capability("SYS_ADMIN")}), security, "SYS_ADMIN"},
		"a capability that baseline knows":      {standard, "", container(corev1.SecurityContext{Capabilities: capability("NET_BIND_SERVICE")}), "", ""},
		"the host's proc":                       {standard, "", container(corev1.SecurityContext{ProcMount: ptr.To(corev1.UnmaskedProcMount)}), security, "procMount"},
		"no seccomp":                            {standard, "", pod(corev1.PodSecurityContext{SeccompProfile: unconfined}), security, "seccompProfile"},
		"a sysctl of the node":                  {standard, "", pod(corev1.PodSecurityContext{Sysctls: []corev1.Sysctl{{Name: "kernel.msgmax", Value: "1"}}}), security, "kernel.msgmax"},
		"a process of a Windows host":           {standard, "", pod(corev1.PodSecurityContext{WindowsOptions: windowsHost}), security, "hostProcess"},
		"no AppArmor, by an annotation":         {standard, "", unconfinedByAnnotation, security, "AppArmor"},
		"root, which baseline lets pass":        {standard, "", pod(corev1.PodSecurityContext{RunAsUser: ptr.To[int64](0)}), "", ""},
		"root under restricted":                 {standard, "restricted", pod(corev1.PodSecurityContext{RunAsUser: ptr.To[int64](0)}), security, "runAsUser=0"},
		"another image":                         {standard, "", image("example.org/warm:1"), images, `"example.org/warm:1"`},
		"another version of the standard image": {standard, "", image("registry.k8s.io/pause:3.9"), images, placeholder.DefaultImage},
		"an image whose name begins so":         {standard, "", image(placeholder.DefaultImage + "0"), images, placeholder.DefaultImage},
		"the standard image by name":            {standard, "", image(placeholder.DefaultImage), "", ""},
		"no image is allowed":                   {nil, "", func(*v1alpha1.HeadroomSpec) {}, images, ""},
		"an image of an allowed folder":         {[]string{"example.org/team/*"}, "", image("example.org/team/warm:1"), "", ""},
		"an image beside an allowed folder":     {[]string{"example.org/team/*"}, "", image("example.org/teams/warm:1"), images, ""},
		"a version of an allowed image":         {[]string{"example.org/warm:*"}, "", image("example.org/warm:2"), "", ""},
		"a digest where versions are allowed":   {[]string{"example.org/warm:*"}, "", image("example.org/warm@sha256:ab"), images, ""},
		"every image":                           {[]string{"*"}, "", image("example.org/warm:1"), "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := New(tc.images, tc.level)
			require.NoError(t, err)
			got := p.Check(placeholderOf(tc.spec))
			if tc.want == "" {
				require.Nil(t, got)
				return
			}
			require.NotNil(t, got)
			require.Equal(t, tc.want, got.Reason)
			require.Contains(t, got.Message, tc.says)
			if tc.want == security {
				require.Contains(t, got.Message, "Pod Security level "+cmp.Or(tc.level, "baseline")+",")
			}
		})
	}
}

var (
	unconfined  = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
	windowsHost = &corev1.WindowsSecurityContextOptions{HostProcess: ptr.To(true)}
)

func capability(name corev1.Capability) *corev1.Capabilities {
	return &corev1.Capabilities{Add: []corev1.Capability{name}}
}

func unconfinedByAnnotation(s *v1alpha1.HeadroomSpec) {
	s.PodAnnotations = map[string]string{"container.apparmor.security.beta.kubernetes.io/placeholder": "unconfined"}
}

func TestNewRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		images []string
		level  string
		want   string
	}{
		"the level below baseline":            {nil, "privileged", "choose one of baseline, restricted"},
		"an asterisk in the middle":           {[]string{"example.org/*/warm"}, "", "at the end"},
		"an asterisk in the middle of a name": {[]string{"example.org*"}, "", `after "/", ":" or "@"`},
		"two asterisks":                       {[]string{"example.org/**"}, "", "at most one asterisk"},
		"nothing":                             {[]string{""}, "", "must be the name of an image"},
		"two in one":                          {[]string{"example.org/a,example.org/b"}, "", "must be the name of an image"},
		"a space":                             {[]string{"example.org/a "}, "", "must be the name of an image"},
		"an asterisk after a dot":             {[]string{"example.*"}, "", `after "/", ":" or "@"`},
		"an asterisk within a version":        {[]string{"example.org/a:1*"}, "", `after "/", ":" or "@"`},
		"one after those that are right":      {[]string{"example.org/*", "example.org/a:*", "a@*", "*", "a*"}, "", `the allowed image "a*"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.images, tc.level)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestEveryContainerRunsAnAllowedImage(t *testing.T) {
	p, err := New([]string{placeholder.DefaultImage}, "")
	require.NoError(t, err)
	pod := placeholderOf(func(*v1alpha1.HeadroomSpec) {})
	second := *pod.Spec.Containers[0].DeepCopy()
	second.Name = "second"
	pod.Spec.Containers = append(pod.Spec.Containers, second)
	require.Nil(t, p.Check(pod))
	pod.Spec.Containers[1].Image = "example.org/warm:1"
	refusal := p.Check(pod)
	require.NotNil(t, refusal)
	require.Equal(t, v1alpha1.ReasonImageNotAllowed, refusal.Reason)
	require.Contains(t, refusal.Message, `"example.org/warm:1"`)
}

func TestWhatIsAllowedIsWhatWasSaidWhenThePolicyWasMade(t *testing.T) {
	images := []string{"example.org/a:1", "example.org/b:1"}
	p, err := New(images, "")
	require.NoError(t, err)
	images[0] = "example.org/c:1"
	for image, want := range map[string]bool{"example.org/a:1": true, "example.org/b:1": true, "example.org/c:1": false} {
		require.Equal(t, want, p.allows(image), image)
	}
	refusal := p.Check(placeholderOf(func(*v1alpha1.HeadroomSpec) {}))
	require.NotNil(t, refusal)
	require.Contains(t, refusal.Message, "(example.org/a:1, example.org/b:1)")
}

// TestAnAsteriskNeverAllowsAnotherRegistry draws names that begin as an allowed folder does and go on otherwise.
func TestAnAsteriskNeverAllowsAnotherRegistry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.StringMatching(`[a-z]{1,8}\.[a-z]{2,3}`).Draw(t, "host")
		more := rapid.StringMatching(`[a-z0-9.:-]{1,8}`).Draw(t, "more")
		p, err := New([]string{host + "/*"}, "")
		require.NoError(t, err)
		require.False(t, p.allows(host+more+"/pause"))
		require.True(t, p.allows(host+"/"+more))
	})
}
