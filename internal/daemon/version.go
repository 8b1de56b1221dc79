package daemon

import "runtime/debug"

// version is set by the linker where there is no repository to read it from:
// -ldflags "-X github.com/parley-rtc/parley/internal/daemon.version=v1.2.3".
var version string

// Version returns the version of this build: the linker's, the module's version when it was installed as one,
// else the commit it was built from with "+dirty" if there were changes, else "development".
func Version() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "development"
	}
	return versionOf(info)
}

func versionOf(info *debug.BuildInfo) string {
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	var commit, dirty string
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			commit = setting.Value[:min(12, len(setting.Value))]
		case "vcs.modified":
			if setting.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if commit == "" {
		return "development"
	}
	return commit + dirty
}
