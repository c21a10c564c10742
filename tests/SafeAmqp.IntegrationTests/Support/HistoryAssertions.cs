namespace SafeAmqp.IntegrationTests.Support;

internal static class HistoryAssertions
{
    /// <summary>Fails unless everything adds up.</summary>
    /// <param name="history">The account.</param>
    /// <param name="mayRepeat">Whether a message may have been published twice (republished).</param>
    /// <param name="ordered">Whether the deliveries were recorded by one consumer that handles one at a time.</param>
    internal static void Verify(this History history, bool mayRepeat = false, bool ordered = true)
    {
        IReadOnlyList<Violation> found = history.Violations(new Lane { MayRepeat = mayRepeat, Ordered = ordered });
        Assert.True(
            found.Count == 0, $"{found.Count} violations, the first: {string.Join("; ", found.Take(5))}. {history}");
    }
}
