using SafeAmqp.Publishing;
using static SafeAmqp.Tests.Publishing.Jobs;

namespace SafeAmqp.Tests.Publishing;

public sealed class JobQueueTests
{
    [Fact]
    public void Against_a_plain_list_random_moves_agree()
    {
        var random = new Random(1);
        var queue = new JobQueue();
        var model = new List<OutgoingJob>();
        for (int step = 0; step < 20_000; step++)
        {
            int move = random.Next(3);
            if (move == 0 && model.Count < 50)
            {
                model.Add(Job());
                queue.Add(model[^1]);
            }
            else if (move == 1 && model.Count < 50)
            {
                model.Insert(0, Job());
                queue.AddFirst(model[0]);
            }
            else if (model.Count > 0)
            {
                OutgoingJob job = model[random.Next(model.Count)];
                model.Remove(job);
                queue.Remove(job);
                Assert.True(job is { Queue: null, Next: null, Previous: null });
            }
            Assert.Equal(model.Count, queue.Count);
            Assert.Equal(model, Walk(queue, backwards: false));
            Assert.Equal(Enumerable.Reverse(model), Walk(queue, backwards: true));
        }
    }

    [Fact]
    public void A_job_stands_in_one_queue_at_most()
    {
        var queue = new JobQueue();
        OutgoingJob job = Job();
        queue.Add(job);
        Assert.Throws<InvalidOperationException>(() => queue.Add(job));
        Assert.Throws<InvalidOperationException>(() => new JobQueue().AddFirst(job));
        Assert.Throws<InvalidOperationException>(() => new JobQueue().Remove(job));
        Assert.Equal(1, queue.Count);
    }

    private static List<OutgoingJob> Walk(JobQueue queue, bool backwards)
    {
        var jobs = new List<OutgoingJob>();
        for (OutgoingJob? job = queue.First; job is not null; job = job.Next)
            jobs.Add(job);
        if (!backwards)
            return jobs;
        OutgoingJob? last = jobs.LastOrDefault();
        jobs.Clear();
        for (OutgoingJob? job = last; job is not null; job = job.Previous)
            jobs.Add(job);
        return jobs;
    }
}
