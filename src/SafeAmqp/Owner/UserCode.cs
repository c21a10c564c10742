namespace SafeAmqp.Owner;

/// <summary>
/// The only way from our own threads to user code: onto the pool, where it may block, and without our execution
/// context, in which nothing is traced.
/// </summary>
internal static class UserCode
{
#pragma warning disable RS0030 // banned elsewhere, so that every such place is seen here
    internal static Task RunAsync(Func<Task> code)
    {
        using (WithoutContext())
            return Task.Run(code);
    }

    internal static Task<T> RunAsync<T>(Func<ValueTask<T>> code)
    {
        using (WithoutContext())
            return Task.Run(() => code().AsTask());
    }
#pragma warning restore RS0030

    private static AsyncFlowControl? WithoutContext()
        => ExecutionContext.IsFlowSuppressed() ? null : ExecutionContext.SuppressFlow();
}
