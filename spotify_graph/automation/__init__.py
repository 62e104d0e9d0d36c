"""What makes the platform run by itself: partitions, the watch on the landing folder, sensors, schedules, jobs."""
