// Imported before a stage, lets many peers of this machine into one room.
process.env.PARLEY_MAX_PER_ADDRESS = '64'
