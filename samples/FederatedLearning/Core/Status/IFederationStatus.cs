namespace FederatedLearning.Status;

/// <summary>The training as the web page and the console see it. From any thread; memory only.</summary>
public interface IFederationStatus
{
    /// <summary>The latest state.</summary>
    FederationSnapshot Snapshot { get; }

    /// <summary>Waits until there is a state newer than the given version, and returns the latest.</summary>
    /// <param name="seen">The <see cref="FederationSnapshot.Version"/> that the caller has; -1 for none.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    ValueTask<FederationSnapshot> ChangedAsync(long seen, CancellationToken cancellationToken = default);
}
