using System.Diagnostics.CodeAnalysis;

namespace RecipeService.Crawling;

/// <summary>
/// The jobs that were begun here or heard of, the newest of them: bounded in number and in bytes of data, the oldest go
/// first.
/// </summary>
internal sealed class JobBoard(RecipeSettings settings, TimeProvider time)
{
    /// <summary>The most bytes of data that are kept, over all jobs.</summary>
    internal const long MaxBytes = 64 << 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = [];
    private readonly LinkedList<string> _oldestFirst = [];
    private long _bytes;

    public int Count
    {
        get
        {
            lock (_lock)
                return _entries.Count;
        }
    }

    /// <summary>
    /// Notes a job before its request is published: an answer may come before the publisher hears of its success.
    /// </summary>
    public void Begin(string jobId, string? url)
    {
        var now = time.GetUtcNow();
        lock (_lock)
            Put(
                new Job { JobId = jobId, Status = CrawlingWords.Queued, Url = url, CreatedAt = now, UpdatedAt = now },
                0);
    }

    /// <summary>Forgets a job whose request did not get out.</summary>
    public void Forget(string jobId)
    {
        lock (_lock)
            Remove(jobId);
    }

    /// <summary>
    /// Takes what the crawler says. Progress that comes after the end, as redeliveries may, changes nothing; a result
    /// that comes after a mere "done" is the job's.
    /// </summary>
    public void Record(CrawlingAnswer answer)
    {
        var now = time.GetUtcNow();
        int size = Size(answer);
        lock (_lock)
        {
            var known = _entries.GetValueOrDefault(answer.JobId)?.Job;
            bool bringsResult = answer.Action == CrawlingWords.CrawlResult && known is { Data: null, Error: null };
            if (known is not null && CrawlingWords.IsFinal(known.Status) && !bringsResult)
                return;
            known ??= new Job { JobId = answer.JobId, Status = answer.Status, CreatedAt = now, UpdatedAt = now };
            Put(known with
            {
                Status = answer.Status,
                UpdatedAt = now,
                Updates = known.Updates + 1,
                Data = answer.Data,
                Error = answer.Error,
            }, size);
        }
    }

    public bool TryFind(string jobId, [NotNullWhen(true)] out Job? job)
    {
        lock (_lock)
            job = _entries.GetValueOrDefault(jobId)?.Job;
        return job is not null;
    }

    // A job keeps the place of its beginning, so that one that chatters does not push out the others.
    private void Put(Job job, int size)
    {
        if (_entries.TryGetValue(job.JobId, out var entry))
            _bytes -= entry.Size;
        else
            _entries.Add(job.JobId, entry = new Entry(_oldestFirst.AddLast(job.JobId)));
        entry.Job = job;
        entry.Size = size;
        _bytes += size;
        while (_entries.Count > settings.JobsKept || (_bytes > MaxBytes && _entries.Count > 1))
            Remove(_oldestFirst.First!.Value);
    }

    // UTF-8 text, as the parsed document keeps it.
    private static int Size(CrawlingAnswer answer)
        => answer.Data is { } data ? System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(data).Length : 0;

    private void Remove(string jobId)
    {
        if (!_entries.Remove(jobId, out var entry))
            return;
        _oldestFirst.Remove(entry.Place);
        _bytes -= entry.Size;
    }

    private sealed class Entry(LinkedListNode<string> place)
    {
        public LinkedListNode<string> Place => place;
        public Job? Job { get; set; }
        public int Size { get; set; }
    }
}
