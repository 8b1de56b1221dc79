package deploy

// object is any of the manifests, with those fields of Kubernetes' API that they use. Others are taken for misspelt.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   meta
	Spec       spec
}

type meta struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
}

// spec is that of a Deployment, DaemonSet, Service, PodDisruptionBudget or HorizontalPodAutoscaler.
type spec struct {
	// workloads
	Replicas        int
	Strategy        strategy
	UpdateStrategy  strategy `yaml:"updateStrategy"`
	MinReadySeconds int      `yaml:"minReadySeconds"`
	Template        template
	Selector        selector

	// Service
	Ports []port

	// PodDisruptionBudget
	MaxUnavailable int `yaml:"maxUnavailable"`

	// HorizontalPodAutoscaler
	ScaleTargetRef struct {
		APIVersion string `yaml:"apiVersion"`
		Kind, Name string
	} `yaml:"scaleTargetRef"`
	MinReplicas int `yaml:"minReplicas"`
	MaxReplicas int `yaml:"maxReplicas"`
	Metrics     []struct {
		Type string
		Pods struct {
			Metric struct{ Name string }
			Target struct {
				Type         string
				AverageValue string `yaml:"averageValue"`
			}
		}
	}
	Behavior struct {
		ScaleDown struct {
			StabilizationWindowSeconds int `yaml:"stabilizationWindowSeconds"`
			Policies                   []struct {
				Type          string
				Value         int
				PeriodSeconds int `yaml:"periodSeconds"`
			}
		} `yaml:"scaleDown"`
	}
}

type strategy struct {
	Type          string
	RollingUpdate struct {
		MaxSurge       int `yaml:"maxSurge"`
		MaxUnavailable int `yaml:"maxUnavailable"`
	} `yaml:"rollingUpdate"`
}

// selector is a Service's, the labels themselves, or that of the others.
type selector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
	Labels      map[string]string `yaml:",inline"`
}

func (s selector) labels() map[string]string {
	if s.MatchLabels != nil {
		return s.MatchLabels
	}
	return s.Labels
}

type template struct {
	Metadata meta
	Spec     struct {
		NodeSelector                  map[string]string `yaml:"nodeSelector"`
		HostNetwork                   bool              `yaml:"hostNetwork"`
		DNSPolicy                     string            `yaml:"dnsPolicy"`
		TerminationGracePeriodSeconds int               `yaml:"terminationGracePeriodSeconds"`
		AutomountServiceAccountToken  *bool             `yaml:"automountServiceAccountToken"`
		TopologySpreadConstraints     []struct {
			MaxSkew           int    `yaml:"maxSkew"`
			TopologyKey       string `yaml:"topologyKey"`
			WhenUnsatisfiable string `yaml:"whenUnsatisfiable"`
			LabelSelector     struct {
				MatchLabels map[string]string `yaml:"matchLabels"`
			} `yaml:"labelSelector"`
		} `yaml:"topologySpreadConstraints"`
		SecurityContext struct {
			RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
			RunAsUser      int                   `yaml:"runAsUser"`
			SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
		} `yaml:"securityContext"`
		Containers []container
	}
}

type container struct {
	Name, Image   string
	Command, Args []string
	Env           []struct {
		Name, Value string
		ValueFrom   struct {
			SecretKeyRef    reference `yaml:"secretKeyRef"`
			ConfigMapKeyRef reference `yaml:"configMapKeyRef"`
		} `yaml:"valueFrom"`
	}
	Ports          []port
	ReadinessProbe probe `yaml:"readinessProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	Resources      struct {
		Requests, Limits map[string]string
	}
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
}

type reference struct{ Name, Key string }

type port struct {
	Name, Protocol string
	ContainerPort  int    `yaml:"containerPort"`
	HostPort       int    `yaml:"hostPort"`
	Port           int    // of a Service
	TargetPort     string `yaml:"targetPort"`
}

type probe struct {
	HTTPGet struct {
		Host, Path, Port string
	} `yaml:"httpGet"`
	Exec struct{ Command []string }

	PeriodSeconds    int `yaml:"periodSeconds"`
	TimeoutSeconds   int `yaml:"timeoutSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}
