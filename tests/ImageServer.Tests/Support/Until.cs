namespace ImageServer.Tests.Support;

/// <summary>Waits for what can only be looked at.</summary>
internal static class Until
{
    // How often to look; nothing is taken to have happened because time passed.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task TrueAsync(Func<bool> condition, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        while (!condition())
        {
            try
            {
                await Task.Delay(LookEvery, limit.Token);
            }
            catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                Assert.Fail($"It did not come to pass that {what}.");
            }
        }
    }
}
