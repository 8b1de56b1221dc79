package redisstore

import (
	"context"
	"strconv"
	"time"
)

// schema is the version of keys and values. It rises with whatever an older release could not read, or would write wrong; rooms of different versions are apart.
const schema = 1

// presentTime is how long a release counts as being there after one of its nodes said so.
const presentTime = 4 * examineTime

func (s *Store) presence(version int) string {
	return s.prefix + ":" + strconv.Itoa(version) + ":present"
}

// meet says that nodes of this release are there, and whether some of the release before or after are, which keep rooms of their own.
func (s *Store) meet() (others bool, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, stepTime)
	defer cancel()
	set := s.client.B().Set().Key(s.presence(s.schema)).Value("1").Px(presentTime).Build()
	if err := s.client.Do(ctx, set).Error(); err != nil {
		return false, err
	}
	for _, version := range []int{s.schema - 1, s.schema + 1} {
		there, err := s.client.Do(ctx, s.client.B().Exists().Key(s.presence(version)).Build()).AsBool()
		if err != nil || there {
			return there, err
		}
	}
	return false, nil
}

// look examines the servers, and looks who else uses them, now and then until the store is closed. What changes is logged. Rooms go on in
// any case: to end them all would be worse.
func (s *Store) look(every time.Duration) {
	unfit, met := "", false
	for {
		if others, err := s.meet(); err == nil && others != met {
			met = others
			if met {
				s.log.Warn("nodes of another release use this Redis, and keep rooms otherwise: rooms there and here are apart, also those of one name", "prefix", s.prefix)
			} else {
				s.log.Info("no nodes of another release use this Redis any more", "prefix", s.prefix)
			}
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(every):
		}
		unfit = s.lookAt(unfit)
	}
}
