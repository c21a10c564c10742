using System.Collections.Concurrent;

namespace RecipeDemo;

/// <summary>Sees to it that no two requests were answered with the same job.</summary>
internal sealed class JobIds
{
    private readonly ConcurrentDictionary<string, bool> _seen = new();

    /// <summary>Null for an id that comes for the first time, else what is wrong.</summary>
    public string? Take(string? id)
        => string.IsNullOrEmpty(id) ? "there is no job_id" : _seen.TryAdd(id, true) ? null : $"job_id {id} came twice";
}
